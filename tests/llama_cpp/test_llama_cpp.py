"""Our models in llama.cpp: the same ids, the same probabilities, the same text.

Asked as `hornbook export` asks. Needs node and the package of `package.json`, to which LLAMA_CPP_NODE leads:

    npm install --prefix FOLDER --ignore-scripts --omit=optional --no-package-lock   # FOLDER holds package.json
"""

import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import hornbook
from hornbook.cli import run
from hornbook.commands._llama_cpp import Absent, LlamaCpp, ask_llama_cpp, find_llama_cpp, question_about
from hornbook.generation.generate import LanguageModel
from hornbook.models.gpt import GPT
from hornbook.models.llama import Llama
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.village.stories import document, stories
from hornbook.weights import _gguf_names, _gguf_vocabulary
from hornbook.weights.gguf import write_gguf
from hornbook.weights.model_folder import save_model_folder
from hornbook.weights.parity_rounded import expect

pytestmark = pytest.mark.slow

NEW_TOKENS = 32
SHARED = Path(os.environ.get("HORNBOOK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
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
def llama_cpp() -> LlamaCpp:
    """llama.cpp as an export finds it; skipped, saying so, where it is absent."""
    try:
        return find_llama_cpp()
    except Absent as reason:
        pytest.skip(f"{reason} (set LLAMA_CPP_NODE to a folder with tests/llama_cpp/package.json installed)")


@pytest.fixture
def ask(llama_cpp: LlamaCpp, tmp_path: Path) -> Ask:
    """`ask(path, texts, prompts)` -> what llama.cpp says; prompts are ids."""

    def question_of(path: Path, texts: Sequence[str], prompts: Sequence[Sequence[int]] = ()) -> dict[str, Any]:
        return ask_llama_cpp(llama_cpp, question_about(path, texts, prompts, NEW_TOKENS, 128), tmp_path)

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
    "gpt-of-tiny-shakespeare": ("tiny-shakespeare.txt", 'kind = "gpt"', 250),
}


@pytest.fixture(scope="session", params=TRAINED)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, llama_cpp: LlamaCpp) -> Path:
    """The run folder of a model that was really trained, 20 to 40 seconds on one core."""
    folder = tmp_path_factory.mktemp("trained")
    source, model, steps = TRAINED[request.param]
    if source.endswith(".txt") and not (SHARED / source).exists():
        pytest.skip(f"{SHARED / source} is absent (set HORNBOOK_SHARED_DATA to the folder with the shared texts)")
    recipe = folder / "recipe.toml"
    place = (SHARED / source).as_posix() if source.endswith(".txt") else source
    recipe.write_text(RECIPE.format(source=place, model=model, steps=steps))
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


def parted_at(ours: Writing, theirs: Sequence[int]) -> float | None:
    """None where both wrote the same, else how small our gap was where they parted. Ours ends with its story."""
    for mine, other, gap in zip(ours.ids, theirs, ours.gaps, strict=False):
        if mine != other:
            return gap
    return None


def ids_agree(path: Path, ask: Ask, tokenizer: Tokenizer, name: str) -> None:
    """All hard texts and 1,000 random ones have the same ids in a small model of this vocabulary."""
    sizes = {"num_layers": 1, "embed_dim": 32, "num_heads": 2}
    config = Llama.config_class(vocab_size=tokenizer.vocab_size, qk_norm=False, **sizes)
    notes = write_gguf(path, Llama(config), tokenizer, "q4_0").notes
    texts = HARD + random_texts(1000)
    if any("begins with a space" in note for note in notes):
        texts = [text for text in texts if not text.startswith(" ")]
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


def sentencepiece(converted: bool, **parts: Any) -> SentencePieceBPE:
    """A vocabulary of the village, its merges as `tokenizers` learns them or as files that were converted have them."""
    learner = pytest.importorskip("tokenizers")
    marks = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned = learner.Tokenizer(learner.models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    text = village_text(30_000).replace(" ", "▁")
    trainer = learner.trainers.BpeTrainer(vocab_size=600, special_tokens=marks, show_progress=False)
    learned.train_from_iterator([text[place : place + 100] for place in range(0, len(text), 100)], trainer)
    document = json.loads(learned.to_str())
    model, vocab = document["model"], document["model"]["vocab"]
    if converted:
        made = [left + right for left, right in model["merges"]]
        cuts = [(token[:place], token[place:]) for token in made for place in range(1, len(token))]
        model["merges"] = [list(pair) for pair in cuts if pair[0] in vocab and pair[1] in vocab]
    added = document["added_tokens"][:3]
    return SentencePieceBPE.from_json(document | {"added_tokens": added} | parts)


BEFORE = {"type": "Prepend", "prepend": "▁"}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
LLAMA_2 = {"normalizer": {"type": "Sequence", "normalizers": [BEFORE, SPACES]}}
MISTRAL = {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}}


@pytest.mark.parametrize("converted", [False, True])
@pytest.mark.parametrize("parts", [LLAMA_2, MISTRAL, {"normalizer": SPACES}], ids=["llama 2", "mistral", "no space"])
def test_every_text_has_the_same_ids_in_a_sentencepiece_vocabulary(
    tmp_path: Path, ask: Ask, parts: dict[str, Any], converted: bool
) -> None:
    ids_agree(tmp_path / "x.gguf", ask, sentencepiece(converted, **parts), f"sentencepiece, converted {converted}")


@pytest.mark.parametrize("before", [(), (1,)])
def test_what_stands_before_a_text(tmp_path: Path, ask: Ask, before: tuple[int, ...]) -> None:
    tokenizer = sentencepiece(True, **LLAMA_2)
    config = Llama.config_class(vocab_size=tokenizer.vocab_size, num_layers=1, embed_dim=32, num_heads=2, qk_norm=False)
    write_gguf(tmp_path / "x.gguf", Llama(config), tokenizer, "f16", before=before)
    assert ask(tmp_path / "x.gguf", ["Once"])["bos"] == (before[0] if before else None)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str], Path]:
    """`save("qwen3")` -> a model folder of that shape, with weights so large that each of them matters."""

    def make(shape: str) -> Path:
        model_class, pattern, settings = SHAPES[shape]
        tokenizer = BPE.train([village_text(20_000)], vocab_size=400, pattern=pattern)
        sizes = {"context_length": 96, "num_layers": 3, "num_heads": 4, "embed_dim": 64}
        # four ids more than the tokenizer has, as in models padded for speed
        model = model_class(model_class.config_class(vocab_size=tokenizer.vocab_size + 4, **sizes | settings))
        generator = torch.Generator().manual_seed(4)
        for name, parameter in model.named_parameters():
            torch.nn.init.normal_(parameter, mean=1.0 * ("norm.weight" in name), std=0.15, generator=generator)
        return save_model_folder(tmp_path / "model", model.eval(), tokenizer)

    return make


def exported(folder: Path, quantize: str) -> int:
    """The exit code of an export, which asks llama.cpp what it computes from the file."""
    out = folder.parent / f"{quantize}.gguf"
    return run(["export", str(folder), "--to", "gguf", "--quantize", quantize, "--out", str(out), "--json"])


@pytest.mark.parametrize("shape", SHAPES)
def test_an_export_of_every_shape_proves_itself(
    llama_cpp: LlamaCpp, save: Callable[[str], Path], capsys: pytest.CaptureFixture[str], shape: str
) -> None:
    folder = save(shape)
    for quantize in ("f32", "f16", "q8_0", "q4_0"):
        assert exported(folder, quantize) == 0
        found = json.loads(capsys.readouterr().out)["parity"]
        with capsys.disabled():
            print(f"\n{shape} {quantize}: logits to {found['largest_difference']:.1e} (margin {found['margin']:.1e}), "
                  f"{found['greedy_equal']} of {found['greedy_tokens']} greedy tokens")  # fmt: skip
        assert found["strings"] >= 24
        assert found["greedy_equal"] > 0.9 * found["greedy_tokens"]
        if quantize == "f32":
            assert found["margin"] < (2e-2 if shape.startswith("gpt") else 1e-2)


def other_rotation(patch: pytest.MonkeyPatch) -> None:
    plain = _gguf_names._llama_keys
    patch.setattr(_gguf_names, "_llama_keys", lambda config: plain(config) | {"rope.freq_base": 2 * config.rope_theta})


def rows_not_turned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_gguf_names, "interleave", lambda rows, num_heads: rows.contiguous())


def gate_and_up_exchanged(patch: pytest.MonkeyPatch) -> None:
    parts = {"feed_forward.gate": "ffn_up", "feed_forward.up": "ffn_gate"}
    patch.setattr(_gguf_names, "LLAMA_PARTS", _gguf_names.LLAMA_PARTS | parts)


def another_pattern(patch: pytest.MonkeyPatch) -> None:
    plain = _gguf_vocabulary.translate
    patch.setattr(_gguf_vocabulary, "translate", lambda *given: replace(plain(*given), pattern="gpt-2"))


def an_architecture_that_is_none(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_gguf_names, "_llama_name", lambda config: "llama-of-nobody")


BROKEN = {
    other_rotation: "logits are ",
    rows_not_turned: "logits are ",
    gate_and_up_exchanged: "logits are ",
    another_pattern: "the tokenizer disagrees with llama.cpp about ",
    an_architecture_that_is_none: "llama.cpp doesn't run ",
}


@pytest.mark.parametrize("quantize", ["f32", "q8_0", "q4_0"])
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_export_is_found_and_removed(
    llama_cpp: LlamaCpp,
    save: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: Callable[[pytest.MonkeyPatch], None],
    quantize: str,
) -> None:
    folder = save("llama")
    broken(monkeypatch)
    assert exported(folder, quantize) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(BROKEN[broken])
    assert not list(folder.parent.glob("*.gguf"))


@pytest.mark.parametrize(("quantize", "tie"), [("f32", 0.005), ("f16", 0.01), ("q8_0", 0.1), ("q4_0", 1.0)])
def test_a_trained_model_writes_the_same(
    trained: Path, tmp_path: Path, ask: Ask, quantize: str, tie: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """With fewer bits a text may part from our exact model's where two tokens were nearly equal, and only there.

    Our model rounded as the file is, weights and inputs, writes what llama.cpp writes, token by token.
    """
    path = tmp_path / "x.gguf"
    assert run(["export", str(trained), "--to", "gguf", "--quantize", quantize, "--out", str(path)]) == 0
    model = hornbook.load(trained)
    prompts = [model.tokenizer.encode(prompt) for prompt in PROMPTS]
    answer = ask(path, HARD, prompts)
    assert answer["ids"] == [model.tokenizer.encode(text) for text in HARD]
    assert answer["texts"] == HARD
    ours = [our_writing(model, prompt) for prompt in PROMPTS]
    gaps = [parted_at(mine, theirs) for mine, theirs in zip(ours, answer["greedy"], strict=True)]
    same = [place for place, gap in enumerate(gaps) if gap is None]
    with capsys.disabled():
        size = path.stat().st_size
        parted = max((gap for gap in gaps if gap is not None), default=0.0)
        print(
            f"\n{trained.name} {quantize}: {size:,} bytes, {len(same)} of {len(gaps)} texts the same, gap {parted:.3f}"
        )
    behind = expect(model.model, prompts, answer["greedy"], quantize).behind  # the model is rounded from here on
    with capsys.disabled():
        print(f"{int((behind == 0).sum())} of {len(behind)} tokens are those of our model rounded as the file is")
    assert float(behind.max()) == 0
    assert all(answer["written"][place].startswith(ours[place].text) for place in same)
    assert all(gap is None or gap < tie for gap in gaps)
    assert quantize not in ("f32", "f16") or len(same) >= len(gaps) - 1
