"""What every tokenizer on the shelf promises, whatever its kind."""

import contextlib
import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizers
from hornbook import discovery
from hornbook.errors import UserError
from hornbook.tokenizers.base import END_OF_TEXT, UNKNOWN, Tokenizer, load_tokenizer, tokenizer_hash

KINDS = discovery.names("tokenizers")
TEXT = 'The cat sat on the hat -- "on the hat", it said: 1,234 times!\n\n\tÉté, naïve 東京 😀 it\'s\r\n' * 3
SPECIALS = (END_OF_TEXT, "[BOS]", "[EOS]", "[PAD]")

# Any text: mostly made of what the training text holds, or of anything at all that Unicode has
ANY_TEXT = st.text() | st.text(st.sampled_from(TEXT + "<|endoftext|>[PAD]")) | st.text(st.characters(codec="ascii"))


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Any]:
    """A tokenizer of each kind, and `tokenizers` reading its file."""
    tokenizer = discovery.find("tokenizers", request.param).train([TEXT], special_tokens=SPECIALS)
    file = tokenizer.save(tmp_path_factory.mktemp(request.param))
    return tokenizer, tokenizers.Tokenizer.from_file(str(file))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "specials", [("",), ("x",), (" <|a|>",), ("\ud800\ud800",)], ids=["empty", "single", "space", "surrogate"]
)
def test_a_bad_special_token_is_refused(kind: str, specials: tuple[str, ...]) -> None:
    with pytest.raises(UserError):
        discovery.find("tokenizers", kind).train([TEXT], special_tokens=specials)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocab_size_too_small_is_refused_with_the_smallest(kind: str) -> None:
    with pytest.raises(UserError, match="vocab_size 2 is too small; hint: at least"):
        discovery.find("tokenizers", kind).train([TEXT], vocab_size=2, special_tokens=SPECIALS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_surrogate_in_the_training_text_is_said(kind: str) -> None:
    with pytest.raises(UserError, match=r"character 2 of the text is a lone surrogate \(U\+D83D\)"):
        discovery.find("tokenizers", kind).train(["fine", "ab\ud83d"])


@given(before=st.text(max_size=5), code=st.integers(0xD800, 0xDFFF), after=st.text(max_size=5))
def test_a_lone_surrogate_is_said(trained: tuple[Tokenizer, Any], before: str, code: int, after: str) -> None:
    text = before + chr(code) + after
    for encode in (trained[0].encode, lambda text: trained[0].encode_batch([text])):
        with pytest.raises(UserError) as raised:
            encode(text)
        assert f"character {len(before)} of the text is a lone surrogate (U+{code:X})" in str(raised.value)


@pytest.mark.parametrize("wrong", [-1, 10**6, 2**40])
def test_an_id_outside_the_vocabulary_is_said(trained: tuple[Tokenizer, Any], wrong: int) -> None:
    with pytest.raises(UserError, match=f"token id {wrong} is outside the vocabulary of"):
        trained[0].decode([0, wrong])


@given(text=ANY_TEXT)
def test_ids_are_in_range_and_lossless_means_lossless(trained: tuple[Tokenizer, Any], text: str) -> None:
    tokenizer, _ = trained
    ids = tokenizer.encode(text)
    assert all(0 <= token_id < tokenizer.vocab_size for token_id in ids)
    assert tokenizer.encode_batch([text, "", text]) == [ids, [], ids]
    if tokenizer.lossless:
        assert tokenizer.decode(ids) == text
        assert tokenizer.count_unknown(ids) == 0
    else:
        assert tokenizer.loss
        assert tokenizer.count_unknown(ids) == sum(tokenizer.unknown_parts(text).values())


@settings(max_examples=300)
@given(text=ANY_TEXT)
def test_tokenizers_reads_our_file_and_gives_the_same_ids_and_text(trained: tuple[Tokenizer, Any], text: str) -> None:
    tokenizer, theirs = trained
    ids = tokenizer.encode(text, allow_special=True)  # theirs always recognises special tokens
    assert theirs.encode(text).ids == ids
    assert theirs.decode(ids, skip_special_tokens=False) == tokenizer.decode(ids)
    if not any(special in text for special in tokenizer.special_tokens):
        assert tokenizer.encode(text) == ids


@given(text=ANY_TEXT)
def test_special_ids_never_come_from_text_unless_asked_for(trained: tuple[Tokenizer, Any], text: str) -> None:
    tokenizer, _ = trained
    special = {i for name, i in tokenizer.special_tokens.items() if name != UNKNOWN}
    written = f"{text}<|endoftext|>{text}[PAD]"
    assert not special & set(tokenizer.encode(written))
    expected = [*tokenizer.encode(text), tokenizer.end_of_text, *tokenizer.encode(text)]
    if not any(name in text for name in tokenizer.special_tokens) and "<" not in text:
        assert tokenizer.encode(f"{text}<|endoftext|>{text}", allow_special=True) == expected


def test_streaming_by_bytes_only_ever_adds(trained: tuple[Tokenizer, Any]) -> None:
    tokenizer, _ = trained
    rng = random.Random(0)
    for _ in range(200):
        ids = [rng.randrange(tokenizer.vocab_size) for _ in range(8)]
        grown = [tokenizer.decode_bytes(ids[:length]) for length in range(9)]
        assert all(later.startswith(earlier) for earlier, later in pairwise(grown))
        assert tokenizer.decode(ids) == grown[-1].decode("utf-8", errors="replace")


def test_special_tokens_have_the_largest_ids_in_the_order_given(trained: tuple[Tokenizer, Any]) -> None:
    tokenizer, _ = trained
    names = [*SPECIALS] if tokenizer.lossless else [*SPECIALS, UNKNOWN]
    first = tokenizer.vocab_size - len(names)
    assert tokenizer.special_tokens == {name: first + place for place, name in enumerate(names)}
    assert tokenizer.end_of_text == first
    assert [tokenizer.token_text(token_id) for token_id in tokenizer.special_tokens.values()] == names


@given(text=ANY_TEXT)
def test_a_saved_tokenizer_is_the_same_tokenizer(trained: tuple[Tokenizer, Any], text: str) -> None:
    tokenizer, _ = trained
    again = type(tokenizer).from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert tokenizer_hash(again) == tokenizer_hash(tokenizer)
    assert again.encode(text) == tokenizer.encode(text)


def test_a_folder_and_a_file_load_alike(trained: tuple[Tokenizer, Any], tmp_path: Path) -> None:
    tokenizer, _ = trained
    assert tokenizer.save(tmp_path / "model") == tmp_path / "model" / "tokenizer.json"
    assert tokenizer.save(tmp_path / "own.json") == tmp_path / "own.json"
    for path in (tmp_path / "model", tmp_path / "model" / "tokenizer.json", str(tmp_path / "own.json")):
        again = load_tokenizer(path)
        assert type(again) is type(tokenizer)
        assert tokenizer_hash(again) == tokenizer_hash(tokenizer)


@pytest.mark.parametrize("kind", KINDS)
def test_training_twice_gives_the_same_and_other_text_another(kind: str) -> None:
    shelf = discovery.find("tokenizers", kind)
    assert tokenizer_hash(shelf.train([TEXT])) == tokenizer_hash(shelf.train([TEXT]))
    assert tokenizer_hash(shelf.train([TEXT])) != tokenizer_hash(shelf.train([TEXT + " other ọ"]))


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_at_all_still_makes_a_tokenizer(kind: str) -> None:
    tokenizer = discovery.find("tokenizers", kind).train([])
    assert tokenizer.encode("") == []
    assert tokenizer.decode(tokenizer.encode("hi")) in ("hi", UNKNOWN, UNKNOWN * 2)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, long lists and vocabularies by their first entries."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in list(items)[:9] for place in _places(item, (*path, key)))]


DAMAGE = st.sampled_from([None, 0, -1, 2**70, 1.5, True, "", "x", "\ud800", [], [[]], {}, {"type": "Other"}])


@settings(max_examples=100)
@given(data=st.data())
def test_a_damaged_file_is_a_user_error_or_a_working_tokenizer(
    trained: tuple[Tokenizer, Any], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    document = json.loads(json.dumps(trained[0].to_json()))
    *way, last = data.draw(st.sampled_from(_places(document)[1:]))
    holder: Any = document
    for key in way:
        holder = holder[key]
    if data.draw(st.booleans()):
        del holder[last]
    else:
        holder[last] = data.draw(DAMAGE)
    file = tmp_path_factory.mktemp("damaged") / "tokenizer.json"
    file.write_text(json.dumps(document))
    with contextlib.suppress(UserError):
        tokenizer = load_tokenizer(file)
        assert tokenizer.decode(tokenizer.encode(TEXT))
        tokenizer.save(file)


NO_TOKENIZERS = ("", "{", "[]", "null", "3", '"x"', "{}", '{"model": {}}', '{"model": {"type": "BPE"}}', "\xff")


@pytest.mark.parametrize("content", NO_TOKENIZERS)
def test_a_file_that_is_no_tokenizer_is_a_user_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_tokenizer(tmp_path / "absent.json")


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "Unigram"}, "pre_tokenizer": {"type": "Metaspace"}}')
    with pytest.raises(UserError, match=r"no kind of tokenizer here has the model 'Unigram'.*Metaspace"):
        load_tokenizer(tmp_path)


@pytest.mark.slow
def test_transformers_opens_the_folder(trained: tuple[Tokenizer, Any], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer, _ = trained
    tokenizer.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer.tokenizer_config()))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    for text in (TEXT, "", " a  b ", "unseen: ж\n", "one<|endoftext|>two [PAD]"):
        ids = tokenizer.encode(text, allow_special=True)
        assert theirs(text)["input_ids"] == ids
        assert theirs.decode(ids) == tokenizer.decode(ids)
    assert len(theirs) == tokenizer.vocab_size
    assert (theirs.eos_token_id, theirs.bos_token) == (tokenizer.end_of_text, "[BOS]")
    assert (theirs.pad_token_id, theirs.unk_token_id) == (tokenizer.special_tokens["[PAD]"], tokenizer.unknown_id)
