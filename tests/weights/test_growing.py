"""Growing a model: what is refused, then more special tokens and another context, beside what the model was before."""

import json
import math
from pathlib import Path

import pytest
import torch

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers._more_specials import with_special_tokens
from hornbook.tokenizers.base import Tokenizer, load_tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word
from hornbook.weights._context import stretched
from hornbook.weights.growing import add_tokens, change_context
from hornbook.weights.model_folder import save_model_folder

TEXT = "Once upon a time there was a fox. Größe: 5 €, a  b\n" * 8
NAMES = ("<|im_start|>", "<|im_end|>")
LAYOUTS = [
    "gpt",
    "gpt-no-bias-untied",
    "llama",
    "llama-grouped-untied",
    "qwen3",
    "qwen2-wide-heads",
    "mistral",
    "bigram",
]
PIECES = [TEXT, "a fox", "", " fox€ 日本 🦊", "<|im_start", "Once<|endoftext|>"]


def sentencepiece(folder: Path) -> Tokenizer:
    """Llama 2's kind: bytes, single characters, one merge."""
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "f", "o", "x", "fo", "fox"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None}
    model |= {"end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False}
    model |= {"vocab": {text: place for place, text in enumerate(vocabulary)}, "merges": [["f", "o"], ["fo", "x"]]}
    document = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": place, "content": text, **flags} for place, text in enumerate(vocabulary[:3])],
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
        "post_processor": None, "decoder": None, "model": model,
    }  # fmt: skip
    (folder / "sp.json").write_text(json.dumps(document))
    return load_tokenizer(folder / "sp.json")


@pytest.fixture(params=["bpe", "gpt2 files", "sentencepiece", "character", "word"])
def any_tokenizer(request, tmp_path) -> Tokenizer:
    match request.param:
        case "bpe":
            return BPE.train([TEXT], vocab_size=290)
        case "gpt2 files":
            return BPE.train([TEXT], vocab_size=290, pattern="gpt-2", special_tokens=())
        case "sentencepiece":
            return sentencepiece(tmp_path)
        case "character":
            return Character.train([TEXT])
        case _:
            return Word.train([TEXT])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x", "bad special token 'x'"),
        (" <|a|>", "bad special token"),
        ("\ud800\ud800", "lone surrogate"),
        ("fox", "'fox' is an ordinary token of this vocabulary"),
    ],
)
def test_names_that_can_not_be(tmp_path, name, message) -> None:
    with pytest.raises(UserError, match=message):
        with_special_tokens(sentencepiece(tmp_path), [name])


def test_an_ordinary_token_of_each_kind_is_refused() -> None:
    bpe = BPE.train([TEXT], vocab_size=290)
    merged = next(text for text in (bpe.token_text(place) for place in range(256, 289)) if text == text.strip())
    for tokenizer, name in ((bpe, merged), (Word.train([TEXT]), "Once")):
        with pytest.raises(UserError, match=f"'{name}' is an ordinary token"):
            with_special_tokens(tokenizer, ["<|a|>", name])


def test_texts_keep_their_ids_in_a_grown_vocabulary(any_tokenizer, tmp_path) -> None:
    grown = with_special_tokens(any_tokenizer, [*NAMES, *any_tokenizer.special_tokens])
    first = any_tokenizer.vocab_size
    assert grown.vocab_size == first + 2
    assert grown.special_tokens == any_tokenizer.special_tokens | {NAMES[0]: first, NAMES[1]: first + 1}
    assert [grown.encode(text) for text in PIECES] == [any_tokenizer.encode(text) for text in PIECES]
    chat = "fox<|im_end|>fox<|im_start|>"
    found = grown.encode(chat, allow_special=True)
    assert (found.count(first), found.count(first + 1), found[-1]) == (1, 1, first)
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer.from_file(str(grown.save(tmp_path)))
    assert theirs.encode(chat, add_special_tokens=False).ids == found
    assert theirs.get_vocab_size() >= grown.vocab_size - 1
    assert load_tokenizer(tmp_path).special_tokens == grown.special_tokens
    assert with_special_tokens(grown, NAMES) is grown


@torch.no_grad()
@pytest.mark.parametrize("layout", LAYOUTS)
def test_logits_stay_to_the_last_bit_and_new_ones_are_the_mean(layout, make_model, tokenizer) -> None:
    model = make_model(layout)
    size = tokenizer.vocab_size
    grown, larger = add_tokens(model, tokenizer, NAMES)
    assert grown.config == model.config.model_copy(update={"vocab_size": size + 2})
    assert larger.special_tokens[NAMES[1]] == size + 1
    tokens = torch.randint(0, size, (3, 24), generator=torch.Generator().manual_seed(1))
    before, after = model(tokens), grown(tokens)
    assert torch.equal(after[..., :size], before)
    torch.testing.assert_close(after[..., size:], before.mean(-1, keepdim=True).expand(-1, -1, 2), atol=1e-4, rtol=1e-4)
    cost = after.logsumexp(-1) - before.logsumexp(-1)
    assert cost.min() + 1e-5 >= 0
    assert cost.max() <= math.log(1 + 2 / size) + 1e-5
    assert grown(torch.tensor([[size, size + 1]])).isfinite().all()
    assert add_tokens(grown, larger, NAMES)[0] is grown


@torch.no_grad()
def test_rows_that_lie_ready_are_used_first(tokenizer) -> None:
    """A model is often padded: its spare rows become the mean of the rows in use, not of the padding."""
    size = tokenizer.vocab_size
    model = Llama(LlamaConfig(vocab_size=size + 3, num_layers=1, num_heads=2, embed_dim=8)).eval()
    model.token_embedding.weight[size:] = 1e6
    one, grown = add_tokens(model, tokenizer, NAMES)
    assert one.config.vocab_size == size + 3
    assert grown.special_tokens[NAMES[0]] == size
    expected = model.token_embedding.weight[:size].mean(0)
    torch.testing.assert_close(one.token_embedding.weight[size : size + 2], expected.expand(2, -1))
    assert torch.equal(one.token_embedding.weight[size + 2], model.token_embedding.weight[size + 2])
    four, _ = add_tokens(one, grown, ["<|a|>", "<|b|>"])
    assert four.config.vocab_size == size + 4
    tokens = torch.arange(size)[None]
    assert torch.equal(four(tokens)[..., :size], model(tokens)[..., :size])


def test_a_grown_model_keeps_its_precision_and_mode(tokenizer) -> None:
    model = Llama(LlamaConfig(vocab_size=tokenizer.vocab_size, num_layers=1, num_heads=2, embed_dim=8)).bfloat16()
    grown, _ = add_tokens(model.train(), tokenizer, NAMES)
    assert {parameter.dtype for parameter in grown.parameters()} == {torch.bfloat16}
    assert grown.training
    assert not add_tokens(model.eval(), tokenizer, NAMES)[0].training


def gpt(**settings: object) -> GPT:
    return GPT(GPTConfig(vocab_size=9, context_length=8, num_layers=1, num_heads=2, embed_dim=8, **settings)).eval()


def llama(**settings: object) -> Llama:
    return Llama(LlamaConfig(vocab_size=9, context_length=8, num_layers=1, num_heads=2, embed_dim=8, **settings)).eval()


@pytest.mark.parametrize(
    ("model", "length", "scaling", "message"),
    [
        (gpt(), 0, None, "--context-length must be at least 1, not '0'"),
        (gpt(), 8, None, "the model's context is 8 tokens already"),
        (gpt(), 16, "linear", "the model has no scaled rotation"),
        (llama(), 4, "theta", "the model reads 8 tokens already"),
        (llama(), 16, "liner", "unknown rope scaling 'liner'.*did you mean 'linear'"),
        (llama(rope_scaling={"kind": "linear", "factor": 2.0}), 16, "llama3", "has the rope scaling linear already"),
        (llama(head_dim=2), 16, "theta", "head_dim is 2"),
    ],
)
def test_contexts_that_can_not_be(model, length, scaling, message) -> None:
    with pytest.raises(UserError, match=message):
        change_context(model, length, scaling)


def test_learned_positions_are_drawn_out() -> None:
    rows = torch.tensor([[0.0, 5.0], [1.0, 5.0], [2.0, -5.0]])
    expected = [[0.0, 5.0], [0.5, 5.0], [1.0, 5.0], [1.5, 0.0], [2.0, -5.0]]
    assert stretched(rows, 5).tolist() == expected
    assert torch.equal(stretched(rows, 5)[::2], rows)
    assert stretched(rows[:1], 3).tolist() == [[0.0, 5.0]] * 3
    model = gpt()
    longer, how = change_context(model, 15)
    assert (how, longer.config.context_length) == ("interpolated", 15)
    assert torch.equal(longer.position_embedding.weight[::2], model.position_embedding.weight)
    assert longer(torch.zeros(1, 15, dtype=torch.int64)).isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize(
    "model", [gpt(), gpt(positions="rotary"), gpt(positions="alibi"), llama(), llama(sliding_window=3)]
)
def test_a_shorter_context_computes_the_same(model: Model) -> None:
    shorter, _ = change_context(model, 5)
    tokens = torch.tensor([[1, 5, 2, 8, 0]])
    assert torch.equal(shorter(tokens), model(tokens))
    with pytest.raises(ValueError, match="longer than the context of 5"):
        shorter(torch.zeros(1, 6, dtype=torch.int64))


@torch.no_grad()
@pytest.mark.parametrize(
    ("model", "scaling", "how"),
    [
        (gpt(positions="sinusoidal"), None, "as they were"),
        (gpt(positions="rotary"), None, "as they were"),
        (gpt(positions="relative"), None, "as they were"),
        (llama(sliding_window=8), None, "as they were: no token looks further back than 8"),
        (llama(), "none", "rotation: none"),
    ],
)
def test_what_does_not_depend_on_the_length_stays_as_it_was(model, scaling, how) -> None:
    longer, said = change_context(model, 32, scaling)
    tokens = torch.tensor([[1, 5, 2, 8, 0, 3]])
    assert said == how
    assert torch.equal(longer(tokens), model(tokens))
    assert longer(torch.zeros(1, 32, dtype=torch.int64)).isfinite().all()


def test_a_rotation_is_slowed() -> None:
    """theta: the slowest pair by the whole ratio, the fastest not at all. The others: as their factor says."""
    model = llama(head_dim=4)
    longer, _ = change_context(model, 32)  # theta
    slow, slow_before = longer.cosines[:, 1].acos(), model.cosines[:, 1].acos()  # pair 1 of 2: the slowest
    torch.testing.assert_close(slow[:8] * 4, slow_before, rtol=2e-2, atol=2e-3)
    torch.testing.assert_close(longer.cosines[:8, 0], model.cosines[:, 0])
    linear, _ = change_context(model, 16, "linear")
    torch.testing.assert_close(linear.cosines[::2], model.cosines)
    again, _ = change_context(linear, 32, "linear")
    assert again.config.rope_scaling.factor == 4.0
    wide, _ = change_context(llama(), 32, "llama3")
    scaling = wide.config.rope_scaling
    assert (scaling.kind, scaling.factor, scaling.original_context_length) == ("llama3", 4.0, 8)
    assert change_context(wide, 64, "llama3")[0].config.rope_scaling == scaling.model_copy(update={"factor": 8.0})


@torch.no_grad()
@pytest.mark.parametrize("layout", ["gpt", "llama-llama3", "qwen3"])
def test_a_grown_model_opens_in_transformers(layout, make_model, tmp_path) -> None:
    transformers = pytest.importorskip("transformers")
    model, tokenizer = make_model(layout), Character.train(["a hornbook was a child's first sheet of letters"])
    grown, larger = add_tokens(model, tokenizer, NAMES)
    longer, _ = change_context(grown, 48)
    folder = save_model_folder(tmp_path / "model", longer, larger)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    words = transformers.AutoTokenizer.from_pretrained(folder)
    text = "<|im_start|>a child<|im_end|>letters"
    assert words.encode(text, add_special_tokens=False) == larger.encode(text, allow_special=True)
    tokens = torch.randint(0, larger.vocab_size, (2, 48), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(theirs(tokens).logits, longer(tokens), atol=2e-3, rtol=1e-4)
