"""What a folder says of its texts: begins and ends as transformers' own generation has them, kept when saved again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.chat_template import named_template
from hornbook.conventions import Conventions, conventions_of, plain
from hornbook.errors import UserError
from hornbook.generation.generate import LanguageModel
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.weights.model_folder import save_model_folder

TEXT = "Once upon a time there was a fox. Who is there?\n" * 10
NAMES = ["<|endoftext|>", "<|begin_of_text|>", "<|im_end|>"]


@pytest.fixture(scope="module")
def tokenizer() -> BPE:
    return BPE.train([TEXT], vocab_size=290, special_tokens=NAMES)


@pytest.fixture
def folder(tmp_path: Path, tokenizer: BPE) -> Path:
    """A random Llama, its weights large enough for greedy choices to be clear."""
    config = LlamaConfig(
        vocab_size=290, context_length=64, num_layers=1, num_heads=2, embed_dim=16, qk_norm=False, tied_output=False
    )
    model = Llama(config, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, mean=1.0 if weight.ndim == 1 else 0.0, std=0.4, generator=generator)
    save_model_folder(tmp_path / "model", model, tokenizer)
    (tmp_path / "model" / "hornbook.json").unlink()
    return tmp_path / "model"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def template_processing(*names: str, tokenizer: Tokenizer) -> dict[str, object]:
    pieces = [
        *({"SpecialToken": {"id": name, "type_id": 0}} for name in names),
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    special = {name: {"id": name, "ids": [tokenizer.special_tokens[name]], "tokens": [name]} for name in names}
    return {"type": "TemplateProcessing", "single": pieces, "pair": pieces, "special_tokens": special}


@pytest.mark.parametrize("before", ["post_processor", "add_bos_token", "nothing", "also_refused"])
def test_greedy_texts_are_those_of_transformers(folder: Path, tokenizer: BPE, before: str) -> None:
    """Two ids end a text, one of them in the middle of what the model writes; a BOS changes every logit behind it."""
    transformers = pytest.importorskip("transformers")
    bos = tokenizer.special_tokens["<|begin_of_text|>"]
    if before in ("post_processor", "also_refused"):
        processor = template_processing("<|begin_of_text|>", tokenizer=tokenizer)
        edit(folder / "tokenizer.json", post_processor={"type": "Sequence", "processors": [processor]})
    if before in ("add_bos_token", "also_refused"):  # which has no effect there either
        edit(folder / "tokenizer_config.json", bos_token="<|begin_of_text|>", add_bos_token=before == "add_bos_token")
    free = hornbook.load(folder).stream("Once", max_new_tokens=24, temperature=0)
    list(free)
    assert (free.prompt_ids[0] == bos) == (before in ("post_processor", "also_refused"))
    ends = [tokenizer.special_tokens["<|endoftext|>"], free.tokens[9]]
    edit(folder / "generation_config.json", eos_token_id=ends)

    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    judge = transformers.AutoModelForCausalLM.from_pretrained(folder)
    model = hornbook.load(folder)
    for prompt in ("Once", "Who is there?"):
        asked = theirs(prompt, return_tensors="pt", return_token_type_ids=False)
        found = judge.generate(**asked, max_new_tokens=24, do_sample=False, pad_token_id=0)[0].tolist()
        writing = model.stream(prompt, max_new_tokens=24, temperature=0)
        list(writing)
        behind = found[len(writing.prompt_ids) :]
        assert writing.prompt_ids == found[: len(writing.prompt_ids)]
        assert writing.tokens == (behind[:-1] if behind[-1] in ends else behind)
        assert prompt != "Once" or (writing.stopped_by, behind[-1]) == ("end of text", ends[1])


@pytest.mark.parametrize(
    ("generation", "config", "ends"),
    [
        ({"eos_token_id": [3, 5]}, {"eos_token_id": 7}, {3, 5}),
        ({"eos_token_id": 3}, {}, {3}),
        ({"eos_token_id": None}, {"eos_token_id": 7}, {7}),
        ({}, {"eos_token_id": None}, None),
    ],
)
def test_where_the_ends_stand(folder: Path, tokenizer: BPE, generation: object, config: object, ends: set[int]) -> None:
    (folder / "generation_config.json").write_text(json.dumps(generation))
    (folder / "config.json").write_text(json.dumps(config))
    assert conventions_of(folder, tokenizer).ends == (plain(tokenizer).ends if ends is None else ends)


@pytest.mark.parametrize("wrong", ["<|endoftext|>", [1, "2"], {"id": 1}, True])
def test_an_end_that_is_no_id(folder: Path, wrong: object) -> None:
    edit(folder / "generation_config.json", eos_token_id=wrong)
    with pytest.raises(UserError, match=r"generation_config.json': eos_token_id .* is neither an id nor a list of ids"):
        hornbook.load(folder)


def test_what_a_post_processor_puts_before_a_text(folder: Path, tokenizer: BPE) -> None:
    first, second = (tokenizer.special_tokens[name] for name in NAMES[:2])
    for processor, before in (
        ({"type": "ByteLevel"}, ()),
        (template_processing(*NAMES[:2], tokenizer=tokenizer), (first, second)),
        ({"type": "RobertaProcessing", "cls": ["<s>", 1], "sep": ["</s>", 2]}, (1,)),
    ):
        edit(folder / "tokenizer.json", post_processor=processor)
        assert conventions_of(folder, tokenizer).before == before
    edit(folder / "tokenizer.json", post_processor={"type": "Odd"})
    with pytest.raises(UserError, match="the part 'post_processor' is a Odd"):
        conventions_of(folder, tokenizer)


def test_an_empty_prompt_begins_with_what_is_before_every_text(folder: Path, tokenizer: BPE) -> None:
    assert hornbook.load(folder).prompt_ids("") == [tokenizer.end_of_text]
    edit(folder / "tokenizer.json", post_processor=template_processing("<|begin_of_text|>", tokenizer=tokenizer))
    assert hornbook.load(folder).prompt_ids("") == [tokenizer.special_tokens["<|begin_of_text|>"]]


def test_a_saved_model_keeps_its_conventions(folder: Path, tokenizer: BPE, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    edit(folder / "tokenizer.json", post_processor=template_processing("<|begin_of_text|>", tokenizer=tokenizer))
    model, bos = hornbook.load(folder), tokenizer.special_tokens["<|begin_of_text|>"]
    template = named_template("chatml", "<|begin_of_text|>", "<|im_end|>")
    wanted = model.conventions.with_template(template, tokenizer)
    assert (wanted.before, len(wanted.ends)) == ((bos,), 2)
    save_model_folder(tmp_path / "again", model.model, model.tokenizer, conventions=wanted)
    assert hornbook.load(tmp_path / "again").conventions == wanted
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    assert theirs("Once").input_ids == [bos, *tokenizer.encode("Once")]
    judge = transformers.GenerationConfig.from_pretrained(tmp_path / "again")
    assert sorted(judge.eos_token_id) == sorted(wanted.ends) == sorted(tokenizer.special_tokens[n] for n in NAMES[::2])
    save_model_folder(tmp_path / "plain", model.model, tokenizer, conventions=plain(tokenizer))
    save_model_folder(tmp_path / "none", model.model, tokenizer)
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "none" / name).read_bytes()


def test_without_conventions_the_end_of_text_ends(language_model_of: Callable[..., LanguageModel]) -> None:
    model = language_model_of("bytes")
    assert model.conventions == Conventions(ends=frozenset({256}))
