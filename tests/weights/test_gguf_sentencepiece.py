"""A SentencePiece vocabulary in a GGUF file: tokens, scores and types; what llama.cpp would read otherwise is refused."""

from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from hornbook.errors import UserError
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.weights._gguf_sentencepiece import translate
from hornbook.weights.gguf import write_gguf

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CHARACTERS = ["▁", "a", "b", "c"]
MERGES = [("▁", "a"), ("b", "c"), ("▁a", "bc")]  # only one way to make each token
NORMALIZER = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ],
}
MARKS = ("<unk>", "<s>", "</s>")


def tokenizer_of(merges: list[tuple[str, str]] = MERGES, marks: tuple[str, ...] = MARKS, **parts: Any) -> Any:
    tokens = [*marks, *BYTES, *CHARACTERS, *dict.fromkeys(left + right for left, right in merges)]
    vocab = {token: token_id for token_id, token in enumerate(tokens)}
    added = [{"id": vocab[mark], "content": mark, "special": True} for mark in marks]
    model = {"type": "BPE", "vocab": vocab, "merges": [list(pair) for pair in merges], "byte_fallback": True}
    document = {"model": model, "added_tokens": added, "normalizer": NORMALIZER, "pre_tokenizer": None}
    return SentencePieceBPE.from_json(document | parts)


def test_scores_fall_in_the_order_of_merges() -> None:
    tokenizer = tokenizer_of()
    found = translate(tokenizer, tokenizer.vocab_size + 2)
    rows = {token: (kind, score) for token, kind, score in zip(found.tokens, found.types, found.scores, strict=True)}
    assert [rows[token] for token in ("▁a", "bc", "▁abc")] == [(1, 0.0), (1, -1.0), (1, -2.0)]
    assert (rows["<unk>"][0], rows["<s>"][0], rows["<0x41>"][0], found.types[-1]) == (2, 3, 6, 5)
    assert found.ids == {"bos": 1, "eos": 2, "unk": 0}
    assert found.space_first
    assert found.notes == []


def test_every_pair_or_the_implied_one() -> None:
    """All ways to make a token, as converted files have them, or the one that follows; anything else gives other ids."""
    merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")]
    assert translate(tokenizer_of(merges), 300).scores
    assert translate(tokenizer_of(merges[:3]), 300).scores
    with pytest.raises(UserError, match="llama.cpp merges any two parts that make a token"):
        translate(tokenizer_of([merges[0], merges[1], merges[3]]), 300)
    with pytest.raises(UserError, match="llama.cpp merges any two parts that make a token"):
        translate(tokenizer_of([merges[0], merges[2], merges[1], merges[3]]), 300)  # abc before and after bc


def test_without_marks_a_byte_that_no_text_holds_stands_for_the_ends() -> None:
    found = translate(tokenizer_of(marks=()), 300)
    assert found.ids == {"bos": 255, "eos": 255}


@pytest.mark.parametrize(("scheme", "notes"), [("always", 1), ("first", 1), ("never", 0)])
def test_where_a_space_is_put(scheme: str, notes: int) -> None:
    splitter = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
    found = translate(tokenizer_of(normalizer=None, pre_tokenizer=splitter), 300)
    assert found.space_first is (scheme != "never")
    assert len(found.notes) == notes


def test_the_keys_of_a_file(tmp_path: Path) -> None:
    tokenizer = tokenizer_of()
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, num_layers=1, num_heads=2, embed_dim=32, qk_norm=False)
    for name, before, ends in (("plain", (), ()), ("begun", (1,), (2, 5)), ("ended", (), (7,))):
        write_gguf(tmp_path / name, Llama(config), tokenizer, "q8_0", before=before, ends=ends)
    files = {path.name: GGUFReader(path).fields for path in tmp_path.iterdir()}

    def key(name: str, which: str) -> Any:
        return files[name][f"tokenizer.ggml.{which}"].contents()

    assert (key("plain", "model"), key("plain", "add_space_prefix")) == ("llama", True)
    assert key("plain", "scores") == translate(tokenizer, tokenizer.vocab_size).scores
    assert [key(name, "add_bos_token") for name in ("plain", "begun", "ended")] == [False, True, False]
    assert [key("begun", f"{role}_token_id") for role in ("bos", "eos", "eot", "unknown")] == [1, 2, 5, 0]
    assert key("ended", "eos_token_id") == 7
    assert "tokenizer.ggml.eot_token_id" not in files["ended"]
    assert "tokenizer.ggml.merges" not in files["plain"]


def test_two_tokens_before_every_text(tmp_path: Path) -> None:
    tokenizer = tokenizer_of()
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, num_layers=1, num_heads=2, embed_dim=32, qk_norm=False)
    with pytest.raises(UserError, match="2 tokens are put before every text, and llama.cpp puts one there"):
        write_gguf(tmp_path / "x", Llama(config), tokenizer, "f32", before=(1, 2))
