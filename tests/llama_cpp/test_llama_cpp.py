"""Our models in llama.cpp: the same ids, the same probabilities, the same text.

Needs node and the package of `package.json`, which the environment variable LLAMA_CPP_NODE leads to:

    npm install --prefix FOLDER --ignore-scripts --omit=optional --no-package-lock   # FOLDER holds package.json
"""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch

import hornbook
from hornbook.cli import run
from hornbook.generation.generate import LanguageModel
from hornbook.models.gpt import GPT
from hornbook.models.llama import Llama
from hornbook.tokenizers.bpe import BPE
from hornbook.village.stories import document, stories
from hornbook.weights.gguf import write_gguf

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
NEW_TOKENS = 32
HARD = [
    "", " ", "  ", "\n", "\n\n\n", " \n \n  x", "\t\ttabs\tand  spaces ", "line\r\nends\rof all\nkinds\n ",
    "Hello, world!", "HELLO I'M SURE WE'LL SEE THEY'VE DON'T", "it's 'quoted' \u2019s typographic \u2018s",
    "1862", "12345678901234567890", "3.14159, 1,000,000 and -7e-5", "\u00bd \u2168 \u0664\u0665 \u00b2",
    "a , b . c ! d ? e ' f 's g", "(brackets) [and] {more} <tags/> // -- ... ?!", "x=y+z;#@&%$*^~`|\\\"",
    "na\u00efve caf\u00e9 \u00fcber", "cafe\u0301 decomposed", "漢字かな交じり", "русский ελληνικά",
    "עברית العربية", "हिन्दी ไทย", "🙂👍🏽", "👨\u200d👩\u200d👧 family🇫🇮",
    "<|endoftext|>", "before <|endoftext|> after", "<|endoftext|", "<|unk|> [BOS] <s> </s> <0x41>", "<|im_start|>user\n",
    "\u00a0no-break \u3000wide \u2009thin\u200bzero", "\ufeffmark", "\x00\x01\x1b[0m\x7f", "\u0120 \u010a as letters",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "the the the the the the the the", "x" * 300,
]  # fmt: skip
SPECIALS = ("<|endoftext|>", "[BOS]", "<|im_start|>", "</s>")  # each of them stands as text in HARD
PROMPTS = [
    "It was the", "Once", "Mia has 3 apples and", "In 1862, 17 of 20", "\"Where is the key?\" said", "\U0001f642 The dog",
    "\n", "One day\n\nNora", "- a , b !", "   The", "Finn's", "Question: Where is",
]  # fmt: skip
SHAPES = {
    "qwen3": (Llama, "qwen2", {}),
    "qwen3, grouped heads, wide, untied": (
        Llama, "llama-bpe", {"num_kv_heads": 2, "head_dim": 24, "tied_output": False, "hidden_dim": 96},
    ),
    "llama": (Llama, "llama-bpe", {"qk_norm": False, "rope_theta": 500.0, "norm_eps": 1e-5}),
    "llama, one key/value head, untied": (
        Llama, "qwen2", {"qk_norm": False, "num_kv_heads": 1, "head_dim": 32, "tied_output": False},
    ),
    "llama, linear scaling": (
        Llama,
        "qwen2",
        {"qk_norm": False, "rope_scaling": {"kind": "linear", "factor": 4.0}},
    ),
    "llama, 3.1's scaling": (
        Llama,
        "llama-bpe",
        {"qk_norm": False, "rope_scaling": {"kind": "llama3", "factor": 8.0, "original_context_length": 32}},
    ),
    "qwen2": (Llama, "qwen2", {"qk_norm": False, "qkv_bias": True, "num_kv_heads": 2}),
    "gpt": (GPT, "gpt-2", {}),
    "gpt, no biases, untied": (GPT, "qwen2", {"biases": "none", "tied_output": False, "hidden_dim": 96}),
}  # fmt: skip

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """`ask(path, texts, prompts)` -> what ask.mjs prints; skipped, saying so, where llama.cpp is absent."""
    folder = os.environ.get("LLAMA_CPP_NODE", "")
    if not shutil.which("node") or not Path(folder, "node_modules", "node-llama-cpp").is_dir():
        pytest.skip("llama.cpp is absent (set LLAMA_CPP_NODE to a folder with tests/llama_cpp/package.json installed)")

    def question_of(path: Path, texts: Sequence[str], prompts: Sequence[str] = (), context: int = 64) -> dict[str, Any]:
        asked = {
            "model": str(path), "texts": list(texts), "prompts": list(prompts),
            "maxNewTokens": NEW_TOKENS, "contextSize": context,
        }  # fmt: skip
        question = tmp_path_factory.mktemp("asked") / "question.json"
        question.write_text(json.dumps(asked))
        command = ["node", str(HERE / "ask.mjs"), str(question)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return question_of


def village_text(characters: int) -> str:
    """Stories of the village, with digits and emoji, which they don't hold."""
    text = ""
    for number, story in enumerate(stories(3, 2000, "train")):
        text += f"{number} {document(story)} \U0001f642 été\n\n"
        if len(text) > characters:
            break
    return text


def random_texts(count: int) -> list[str]:
    """Mixtures of all kinds of characters that Unicode had by version 15."""
    pools = [
        "abcdefghijklmnopqrstuvwxyz", "ABCXYZ", "0123456789", " ", " \n\t\r", ".,;:!?'\"-()", "'s 't 're 've 'm 'll 'd",
        "éüñçøåßœ", "漢字かなカナ한글", "абвг αβγδ", "עברית عربية", "🙂🚀👍🏽🇫🇮\u200d\ufe0f",
        "\u0301\u0308\u093f\u0e34", "½²Ⅸ٣", "\u00a0\u2003\u3000\u2028\x85",
        "<|endoftext|>", "+=<>|~^`$€£©™", "\x00\x07\x1f\x7f",
    ]  # fmt: skip
    draw = random.Random(11)
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(draw.randint(1, 12)):
            pool = draw.choice(pools)
            parts.append(pool if draw.random() < 0.1 else "".join(draw.choices(pool, k=draw.randint(1, 6))))
        texts.append("".join(parts))
    return texts


RECIPE = """
[data]
source = "{source}"
tokenizer = "bpe"
vocab_size = 700

[model]
{model}
num_layers = 2
num_heads = 4
embed_dim = 64
context_length = 128

[training]
steps = {steps}
batch_size = 8
evaluate_every = {steps}
checkpoint_every = {steps}
seed = 5
"""
TRAINED = {  # where the text comes from, the model, its steps; one text alone has no <|endoftext|>
    "llama-of-the-village": ("village", 'kind = "llama"\nnum_kv_heads = 2', 500),
    "gpt-of-one-text": ("", 'kind = "gpt"', 250),
}


@pytest.fixture(scope="session", params=TRAINED)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ask: Ask) -> Path:
    """The run folder of a model that was really trained, 20 to 40 seconds on one core."""
    folder = tmp_path_factory.mktemp("trained")
    text = folder / "text.txt"
    text.write_text(village_text(300_000), encoding="utf-8")
    source, model, steps = TRAINED[request.param]
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.format(source=source or text.as_posix(), model=model, steps=steps))
    out = folder / str(request.param)
    assert run(["train", str(recipe), "--out", str(out), "--device", "cpu"]) == 0
    return out


@dataclass(frozen=True)
class Writing:
    """What we write greedily, and how far each token was ahead of the next best, in logits."""

    ids: list[int]
    text: str
    gaps: list[float]


def our_writing(model: LanguageModel, prompt: str) -> Writing:
    stream = model.stream(prompt, max_new_tokens=NEW_TOKENS, temperature=0)
    text = "".join(stream)
    prompt_ids = model.tokenizer.encode(prompt)
    with torch.no_grad():
        logits = model.model(torch.tensor([prompt_ids + stream.tokens]))[0, len(prompt_ids) - 1 :]
    best = logits.topk(2).values
    return Writing(stream.tokens, text, (best[:, 0] - best[:, 1]).tolist())


def parted_at(ours: Writing, theirs: dict[str, Any]) -> float | None:
    """None where both wrote the same, else how small our gap was where they parted."""
    if ours.ids == theirs["ids"]:
        return None
    pairs = zip(ours.ids, theirs["ids"], strict=False)
    place = next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(ours.ids), len(theirs["ids"])))
    return ours.gaps[place]


def ids_agree(path: Path, ask: Ask, tokenizer: BPE, name: str) -> None:
    """All hard texts and 1,000 random ones have the same ids in a small model of this vocabulary."""
    config = Llama.config_class(vocab_size=tokenizer.vocab_size, num_layers=1, embed_dim=32, num_heads=2)
    write_gguf(path, Llama(config), tokenizer, "q4_0")
    texts = HARD + random_texts(1000)
    answer = ask(path, texts)
    different = [text for text, ids in zip(texts, answer["ids"], strict=True) if ids != tokenizer.encode(text)]
    print(f"\n{name}: {len(texts) - len(different)} of {len(texts)} texts have the same ids")
    assert different == []


@pytest.mark.parametrize("pattern", ["qwen2", "llama-bpe", "gpt-2"])
def test_every_text_has_the_same_ids(tmp_path: Path, ask: Ask, pattern: str) -> None:
    tokenizer = BPE.train([village_text(100_000)], vocab_size=900, special_tokens=SPECIALS, pattern=pattern)
    ids_agree(tmp_path / "x.gguf", ask, tokenizer, pattern)


@pytest.mark.parametrize("name", ["gpt2", "cl100k_base"])
def test_every_text_has_the_same_ids_in_public_vocabularies(
    tmp_path: Path, ask: Ask, name: str, shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))
    ids_agree(tmp_path / "x.gguf", ask, BPE.named(name), name)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_the_same_probabilities(tmp_path: Path, ask: Ask, shape: str) -> None:
    """Weights so large that each of them matters, compared over 20 likeliest tokens of each of 32 places."""
    model_class, pattern, settings = SHAPES[shape]
    tokenizer = BPE.train([village_text(20_000)], vocab_size=400, pattern=pattern)
    sizes = {"context_length": 96, "num_layers": 3, "num_heads": 4, "embed_dim": 64}
    # four ids more than the tokenizer has, as in models padded for speed
    model = model_class(model_class.config_class(vocab_size=tokenizer.vocab_size + 4, **sizes | settings))
    generator = torch.Generator().manual_seed(4)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, mean=1.0 * ("norm.weight" in name), std=0.15, generator=generator)
    write_gguf(tmp_path / "x.gguf", model.eval(), tokenizer, "f32")
    answer, worst, count = ask(tmp_path / "x.gguf", [], PROMPTS[:6], 96), 0.0, 0
    for prompt, written in zip(PROMPTS, answer["written"], strict=False):
        ids = tokenizer.encode(prompt)
        with torch.no_grad():
            logs = model(torch.tensor([ids + written["ids"]]))[0, len(ids) - 1 :].log_softmax(-1)
        for row, top in zip(logs, written["top"], strict=False):
            count += len(top)
            worst = max([worst, *(abs(float(row[token_id]) - log(p)) for token_id, p in top)])
    print(f"\n{shape}: {count} probabilities, largest difference of logarithms {worst:.1e}")
    assert count > 3000
    assert worst < (2e-2 if model_class is GPT else 1e-4)  # llama.cpp looks GELU up in a table of 16 bit numbers


@pytest.mark.parametrize(("quantize", "tie"), [("f32", 0.005), ("f16", 0.01), ("q8_0", 0.1), ("q4_0", 1.0)])
def test_a_trained_model_writes_the_same(
    trained: Path, tmp_path: Path, ask: Ask, quantize: str, tie: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """With fewer bits a text may part where two tokens were nearly equal, and only there."""
    path = tmp_path / "x.gguf"
    assert run(["export", str(trained), "--to", "gguf", "--quantize", quantize, "--out", str(path)]) == 0
    model = hornbook.load(trained)
    answer = ask(path, HARD, PROMPTS, 128)
    assert answer["ids"] == [model.tokenizer.encode(text) for text in HARD]
    assert answer["texts"] == HARD
    ours = [our_writing(model, prompt) for prompt in PROMPTS]
    gaps = [parted_at(mine, theirs) for mine, theirs in zip(ours, answer["written"], strict=True)]
    same = [place for place, gap in enumerate(gaps) if gap is None]
    with capsys.disabled():
        size = path.stat().st_size
        parted = max((gap for gap in gaps if gap is not None), default=0.0)
        print(
            f"\n{trained.name} {quantize}: {size:,} bytes, {len(same)} of {len(gaps)} texts the same, gap {parted:.3f}"
        )
    assert all(answer["written"][place]["text"] == ours[place].text for place in same)
    assert all(gap is None or gap < tie for gap in gaps)
    assert quantize not in ("f32", "f16") or len(same) >= len(gaps) - 1
