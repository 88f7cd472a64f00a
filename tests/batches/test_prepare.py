"""Text to dataset folder: what is refused, what stays after a failure, and the counts that are known."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hornbook.batches import prepare as prepare_module
from hornbook.batches.prepare import Dataset, PrepareSettings, open_dataset, prepare
from hornbook.batches.windows import Windows
from hornbook.corpora.base import Corpus
from hornbook.corpora.village import Village
from hornbook.errors import UserError
from hornbook.text.reading import Document

STORY = "Anna has a kite. Tom sees the kite.\n"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(STORY * 100)
    return path


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Fifty documents in one file."""
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": f"Story {n}. {STORY}"}) + "\n" for n in range(50)))
    return path


def made(source: Path | str, out: Path, **settings: Any) -> Dataset:
    return prepare([source], PrepareSettings(**{"tokenizer": "character", **settings}), out)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val_fraction": 1.0}, "val_fraction.*'1.0'"),
        ({"val_fraction": -0.1}, "val_fraction"),
        ({"val_fraction": float("nan")}, "val_fraction"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"clean": "standart"}, "unknown cleaning recipe.*'standart'.*did you mean 'standard'"),
        ({"tokenizer": "caracter"}, "unknown tokenizer 'caracter'.*choices: .*did you mean 'character'"),
        ({"tokenizer": "bpe", "vocab_size": 3}, "vocab_size 3 is too small"),
    ],
)
def test_settings_that_cannot_be(book: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        made(book, book.parent / "out", **settings)
    assert [path.name for path in book.parent.iterdir()] == ["book.txt"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", "is empty"),
        ("blank.txt", b" \n\n \t\n", "nothing is left after cleaning"),
        ("binary.txt", b"abc\0\1\2" * 50, "binary"),
        ("page.txt", b"%PDF-1.7 ...", "PDF"),
        ("cut.txt.gz", gzip.compress(STORY.encode() * 99)[:-10], "gzip"),
        ("bad.jsonl", b'{"text": "a"}\n{"text": \n', "bad.jsonl"),
        ("other.jsonl", b'{"body": "a"}\n', "body"),
    ],
)
def test_text_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        made(tmp_path / name, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_no_dataset_is_never_replaced(book: Path, tmp_path: Path) -> None:
    for target in (book.parent, book):
        with pytest.raises(UserError, match="already exists and is not a dataset folder"):
            made(book, target)
    assert book.exists()


def test_a_dataset_inside_its_source_is_refused(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text(STORY)
    with pytest.raises(UserError, match="inside its own source"):
        made(texts, texts / "data")


def test_a_ready_tokenizer_has_its_size(book: Path, tmp_path: Path) -> None:
    first = made(book, tmp_path / "first")
    with pytest.raises(UserError, match=r"vocab_size can't be '999'.*hint"):
        made(book, tmp_path / "second", tokenizer=str(first.folder / "tokenizer.json"), vocab_size=999)


def test_a_corpus_without_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the corpus 'village' has no text"):
        prepare(Village(characters=0), PrepareSettings(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tokenizer", ["bpe", "character", "word"])
def test_a_text_of_one_character(tmp_path: Path, tokenizer: str) -> None:
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(UserError, match="no text is left for training"):
        made(tmp_path / "a.txt", tmp_path / "out", tokenizer=tokenizer)
    assert len(made(tmp_path / "a.txt", tmp_path / "out", tokenizer=tokenizer, val_fraction=0.0).train) == 1


class Failing(Corpus):
    """Gives two documents and then raises."""

    name, description, licence = "failing", "", ""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def documents(self) -> Iterator[Document]:
        yield Document(STORY, "a", 0, len(STORY))
        yield Document(STORY + "More.\n", "b", 0, len(STORY))
        raise self.error

    def fingerprint(self) -> dict[str, Any]:
        return {"corpus": self.name}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("wrong"), OSError(28, "No space left on device")])
def test_a_failure_leaves_the_old_folder_and_nothing_else(book: Path, tmp_path: Path, error: BaseException) -> None:
    out = tmp_path / "out"
    before = made(book, out).info
    with pytest.raises((UserError, KeyboardInterrupt)):
        prepare(Failing(error), PrepareSettings(tokenizer="character"), out)
    assert open_dataset(out).info == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.txt", "out"]


def test_too_little_space_is_said_before_anything_is_written(book: Path, tmp_path: Path) -> None:
    class Huge(Failing):
        size_bytes = 1 << 60

    with pytest.raises(UserError, match="no space left"):
        prepare(Huge(AssertionError()), PrepareSettings(tokenizer="character"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_validation_part_too_short_for_training_windows_says_so(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("Anna has a kite.")
    dataset = made(tmp_path / "short.txt", tmp_path / "out")
    assert len(dataset.val) == 2
    with pytest.raises(UserError, match="2 tokens, but 9 are needed"):
        Windows(dataset.val, 8, name="the validation part")


def test_one_document_is_split_by_position_and_has_no_separators(book: Path, tmp_path: Path) -> None:
    dataset = made(book, tmp_path / "out")
    text = STORY * 100
    assert dataset.info["split_by"] == "position"
    assert dataset.info["separator"] is None
    assert dataset.tokenizer.decode(dataset.train[:].tolist()) == text[: int(len(text) * 0.9)]
    assert dataset.tokenizer.decode(dataset.val[:].tolist()) == text[int(len(text) * 0.9) :]
    assert dataset.vocab_size == len(set(text)) + 1  # and <|unk|>


def test_several_documents_are_split_whole_and_ends_are_marked(many: Path, tmp_path: Path) -> None:
    dataset = made(many, tmp_path / "out")
    assert dataset.info["split_by"] == "document"
    texts = [part[:].tolist() for part in (dataset.train, dataset.val)]
    stories = [dataset.tokenizer.decode(ids).split("<|endoftext|>") for ids in texts]
    assert [parts.pop() for parts in stories] == ["", ""]  # a separator behind the last one too
    assert sorted(stories[0] + stories[1]) == sorted(f"Story {n}. {STORY}" for n in range(50))
    counts = dataset.info["splits"]
    assert counts["train"]["documents"] == len(stories[0])
    assert counts["val"]["documents"] == len(stories[1]) > 0
    assert counts["train"]["tokens"] == len(texts[0]) == counts["train"]["characters"] + len(stories[0])


def test_every_token_knows_where_it_came_from(many: Path, tmp_path: Path) -> None:
    dataset = made(many, tmp_path / "out", clean="none")
    raw = many.read_bytes()
    for split, tokens in (("train", dataset.train), ("val", dataset.val)):
        text = dataset.tokenizer.decode(tokens[:].tolist())
        place = text.index("Story", 60)
        token = len(dataset.tokenizer.encode(text[:place], allow_special=True))
        found = dataset.locate(split, token)
        assert found.source == str(many)
        assert text[place : place + 9] in raw[found.start : found.end].decode()
        assert len(dataset.places(split, 0, len(tokens))) == dataset.info["splits"][split]["documents"]


def test_no_validation_at_all(book: Path, tmp_path: Path) -> None:
    dataset = made(book, tmp_path / "out", val_fraction=0.0)
    assert len(dataset.train) == 100 * len(STORY)
    assert len(dataset.val) == 0


def test_what_the_tokenizer_does_not_know_is_counted_and_said(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abc " * 90 + "zzé " * 10)
    heard: list[str] = []
    dataset = prepare(
        [tmp_path / "text.txt"], PrepareSettings(tokenizer="character"), tmp_path / "out", notify=heard.append
    )
    counts = dataset.info["splits"]
    assert counts["train"]["unknown"] == 0
    assert counts["val"]["unknown"] == 30
    assert counts["val"]["unknown_parts"] == {"z": 20, "é": 10}
    assert "val: 30 tokens are <|unk|>, most often for: 'z' 20, 'é' 10" in heard


def test_documents_that_run_together_are_said(book: Path, many: Path, tmp_path: Path) -> None:
    without_end = str(made(book, tmp_path / "one").folder / "tokenizer.json")
    heard: list[str] = []
    prepare([many], PrepareSettings(tokenizer=without_end), tmp_path / "out", notify=heard.append)
    assert any("has no <|endoftext|>" in line for line in heard)


def test_duplicates_are_dropped_unless_nothing_is_to_be_cleaned(tmp_path: Path) -> None:
    (tmp_path / "same.jsonl").write_text((json.dumps({"text": STORY}) + "\n") * 3 + '{"text": "Another."}\n')
    for clean, kept in (("standard", 2), ("none", 4)):
        splits = made(tmp_path / "same.jsonl", tmp_path / clean, clean=clean).info["splits"]
        assert splits["train"]["documents"] + splits["val"]["documents"] == kept


def test_an_unequal_split_is_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(name + STORY * 50)
    heard: list[str] = []
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    prepare(paths, PrepareSettings(tokenizer="character"), tmp_path / "out", notify=heard.append)
    assert any(line.startswith("validation has 50% of the text, not 10%") for line in heard)


def rebuilt(source: Path, out: Path, **settings: Any) -> bool:
    heard: list[str] = []
    prepare([source], PrepareSettings(**{"tokenizer": "character", **settings}), out, notify=heard.append)
    return not any(line.startswith("reusing") for line in heard)


def test_only_a_change_rebuilds(book: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert rebuilt(book, out)
    assert not rebuilt(book, out)
    book.touch()
    assert not rebuilt(book, out)
    changes = {"clean": "lower", "tokenizer": "word", "val_fraction": 0.2, "vocab_size": 12}
    for name, value in changes.items():
        assert rebuilt(book, out, **{name: value})
        assert not rebuilt(book, out, **{name: value})
    assert rebuilt(book, out)
    book.write_text(book.read_text().replace("kite", "bike", 1))  # the same size
    assert rebuilt(book, out)


def test_the_same_text_gives_the_same_bytes(many: Path, tmp_path: Path) -> None:
    first, second = made(many, tmp_path / "1", tokenizer="bpe"), made(many, tmp_path / "2", tokenizer="bpe")
    assert first.info == second.info
    for path in first.folder.iterdir():
        assert path.read_bytes() == (second.folder / path.name).read_bytes()


def test_a_long_vocabulary_sample_is_a_share(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_module, "SAMPLE_CHARACTERS", 1000)
    dataset = made(many, tmp_path / "out", tokenizer="bpe", vocab_size=300)
    assert 0.3 < dataset.info["tokenizer"]["trained_on"] < 0.6
    assert dataset.vocab_size <= 300


def test_known_counts_in_characters(
    shared_data: Callable[[str], Path], tmp_path: Path, number: Callable[[str], Any]
) -> None:
    dataset = made(shared_data("tiny-shakespeare.txt"), tmp_path / "out", clean="none")
    characters = sum(split["characters"] for split in dataset.info["splits"].values())
    vocab_size = dataset.vocab_size - 1  # without <|unk|>
    assert {
        "chars": characters, "vocab": vocab_size, "train": len(dataset.train), "val": len(dataset.val),
    } == number("nano-03")["shakespeare_char"]  # fmt: skip


def test_known_counts_in_gpt2_tokens(
    shared_data: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: Callable[[str], Any],
) -> None:
    """The Verdict and Shakespeare. (The third text of numbers nano-03, OpenWebText with 9 billion tokens, isn't here.)"""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))
    verdict = made(shared_data("the-verdict.txt"), tmp_path / "verdict", tokenizer="gpt2", clean="none")
    expected = number("data-09")
    assert verdict.info["splits"]["train"]["characters"] == expected["split_char_index"]
    assert (len(verdict.train), len(verdict.val)) == (expected["train_tokens_total"], expected["val_tokens_total"])
    seen = 0
    for name, tokens in (("train", verdict.train), ("val", verdict.val)):
        windows = Windows(tokens, 256)
        batches = [windows.gather([256 * n, 256 * (n + 1)])[0] for n in range(0, len(windows) - 1, 2)]
        assert len(windows) == expected[f"{name}_windows"]
        assert len(batches) == expected[f"{name}_batches"]
        assert {tuple(inputs.shape) for inputs in batches} == {tuple(expected["batch_shape"])}
        assert sum(inputs.numel() for inputs in batches) == expected[f"{name}_tokens_seen"]
        seen += expected[f"{name}_tokens_seen"]
    assert seen == expected["all"]
    same = str(verdict.folder / "tokenizer.json")
    shakespeare = made(shared_data("tiny-shakespeare.txt"), tmp_path / "plays", tokenizer=same, clean="none")
    counts = {"train": len(shakespeare.train), "val": len(shakespeare.val)}
    assert counts == number("nano-03")["shakespeare_bpe"]


@pytest.mark.parametrize(("vocabulary_from", "unknown"), [("train", 1), ("all", 0)])
def test_a_vocabulary_is_learned_from_the_part_that_is_named(
    tmp_path: Path, vocabulary_from: str, unknown: int
) -> None:
    (tmp_path / "text.txt").write_text("one two three four five six seven eight nine last")
    settings = PrepareSettings(tokenizer="word", vocabulary_from=vocabulary_from, val_fraction=0.1, clean="none")
    dataset = prepare([tmp_path / "text.txt"], settings, tmp_path / "data")
    assert dataset.info["splits"]["val"]["unknown"] == unknown


def test_words_are_cut_at_whitespace_where_asked(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("it's here, it's there -- here, " * 20)
    settings = PrepareSettings(tokenizer="word", word_split="whitespace", clean="none")
    dataset = prepare([tmp_path / "text.txt"], settings, tmp_path / "data")
    assert dataset.tokenizer.decode(dataset.train[:5].tolist()) == "it's here, it's there --"
