"""Public vocabularies by name: tiktoken's ids, and what to do without a network."""

from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizers
from hornbook.errors import UserError
from hornbook.tokenizers import _named
from hornbook.tokenizers.base import Tokenizer, load_tokenizer, named_tokenizer, tokenizer_hash
from hornbook.tokenizers.bpe import BPE

ANY_TEXT = st.text() | st.text("the 12345's é\r\n\t😀aAzZ.,\u3000", max_size=50)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No network, an empty cache, and a tiktoken that has loaded nothing yet."""

    def refuse(*_: object, **__: object) -> None:
        raise requests.exceptions.ConnectionError("no network")

    monkeypatch.setattr(requests, "get", refuse)
    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_an_unknown_name_is_said_with_the_choices() -> None:
    with pytest.raises(UserError, match=r"unknown vocabulary 'gpt-2' \(choices: cl100k_base, gpt2\); hint: .*'gpt2'"):
        named_tokenizer("gpt-2")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("gpt2", ["6d1cbeee0f20b3d9449abfede4726ed8212e3aee", "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6"]),
        ("cl100k_base", ["9b5ad71b2ce5302211f9c61530b329a4922fc6a4"]),
    ],
)
def test_offline_it_says_what_to_put_where(offline: Path, name: str, files: list[str]) -> None:
    with pytest.raises(UserError, match=f"the vocabulary '{name}' is not here and can't be fetched") as raised:
        named_tokenizer(name)
    for file in files:
        assert f"as '{offline / file}' (sha256 " in str(raised.value)


def test_offline_only_the_missing_file_is_named(offline: Path, shared_data: Callable[[str], Path]) -> None:
    there, absent = "6d1cbeee0f20b3d9449abfede4726ed8212e3aee", "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6"
    (offline / there).write_bytes((shared_data("tiktoken-cache") / there).read_bytes())
    with pytest.raises(UserError, match=absent) as raised:
        named_tokenizer("gpt2")
    assert there not in str(raised.value)


def test_offline_the_cache_folder_is_the_one_that_tiktoken_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", "/some/where")
    assert _named.cache_folder() == Path("/some/where")
    monkeypatch.delenv("DATA_GYM_CACHE_DIR")
    assert _named.cache_folder().name == "data-gym-cache"


def test_what_is_not_here_is_not_fetched(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is absent or damaged, a cache that is switched off: each time tiktoken would ask the network."""
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: pytest.fail("it was asked for"))
    assert _named.encoding_where_here("cl100k_base") is None
    (offline / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").write_bytes(b"damaged")
    assert _named.encoding_where_here("cl100k_base") is None
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(offline))
    assert _named.encoding_where_here("cl100k_base") is None


def check_ids(tokenizer: Tokenizer, name: str, tmp_path: Path) -> None:
    """Our ids are tiktoken's and those of `tokenizers` reading our file, for any text."""
    public = tiktoken.get_encoding(name)
    read = tokenizers.Tokenizer.from_file(str(tokenizer.save(tmp_path)))

    @settings(max_examples=100)
    @given(ANY_TEXT)
    def check(text: str) -> None:
        ids = tokenizer.encode(text)
        assert ids == public.encode_ordinary(text) == read.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text

    check()
    long = "It's 1862;\n\n the   End\t \n \n" * 2000
    assert tokenizer.encode(long) == public.encode_ordinary(long)
    assert tokenizer.special_tokens == public._special_tokens
    assert tokenizer.vocab_size == public.n_vocab
    assert tokenizer_hash(load_tokenizer(tmp_path)) == tokenizer_hash(tokenizer)


def test_gpt2(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))
    tokenizer = named_tokenizer("gpt2")
    folder = shared_data("gpt2-vocabulary")
    assert tokenizer_hash(tokenizer) == tokenizer_hash(
        BPE.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")
    )
    ids = [33901, 86, 343, 86, 220, 50256, 220, 959, 13]
    assert tokenizer.encode("Akwirw <|endoftext|> ier.", allow_special=True) == ids
    text = "It's naïve: 1862 😀<|endoftext|>"
    encoding = _named.encoding_where_here("gpt2")
    assert encoding is not None
    assert encoding.encode_ordinary(text) == tokenizer.encode(text)
    assert [encoding.decode_single_token_bytes(token) for token in tokenizer.encode(text)] == [
        tokenizer.decode_bytes([token]) for token in tokenizer.encode(text)
    ]


@pytest.mark.slow
def test_gpt2_on_any_text(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))
    check_ids(named_tokenizer("gpt2"), "gpt2", tmp_path)


@pytest.mark.slow
def test_cl100k_base(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))
    tokenizer = named_tokenizer("cl100k_base")
    check_ids(tokenizer, "cl100k_base", tmp_path)
    with pytest.raises(UserError, match="token id 100265 is a gap"):
        tokenizer.decode([100265])
