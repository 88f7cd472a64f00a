"""Text -> dataset folder, as a stream: clean once, set aside, split, train the tokenizer, encode.

No step holds more than a few megabytes of text, whatever the size of the source. The folder appears whole or not at
all.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hornbook.batches.dataset import FORMAT, INFO_FILE, LEDGER_FILE, TOKENIZER_FILE, is_dataset
from hornbook.batches.dataset import Dataset as Dataset
from hornbook.batches.dataset import open_dataset as open_dataset
from hornbook.batches.encoding import SAMPLE_CHARACTERS, encode_pieces, ready_tokenizer, train_tokenizer
from hornbook.batches.pieces import Piece, SplitText, Spool, rejoin
from hornbook.batches.settings import PrepareSettings as PrepareSettings
from hornbook.batches.token_file import token_dtype
from hornbook.corpora.base import Corpus, open_source
from hornbook.errors import UserError
from hornbook.files import new_folder, read_json, require_space, write_json
from hornbook.text.cleaning import Cleaner, chain_of
from hornbook.text.duplicates import drop_duplicates
from hornbook.text.reading import Document
from hornbook.tokenizers.base import END_OF_TEXT, Tokenizer, tokenizer_hash

PROGRESS_SECONDS = 5.0

Notify = Callable[[str], None]
Item = TypeVar("Item", Document, Piece)


def prepare(
    source: Sequence[str | Path] | Corpus,
    settings: PrepareSettings,
    out: str | Path,
    *,
    notify: Notify = lambda _: None,
) -> Dataset:
    """Make (or, where nothing has changed, reuse) the dataset folder `out` from a corpus, its name, or paths.

    Errors: `UserError` for a source, recipe or tokenizer that isn't there, for text that can't be read or is empty,
    for a disk that is full, and where `out` holds anything but a dataset. Nothing half-written stays.
    """
    out = Path(out)
    corpus = source if isinstance(source, Corpus) else open_source(source, settings.text_field, notify)
    _check(corpus, settings, out)
    ready = ready_tokenizer(settings)
    made_from = _made_from(corpus, settings, ready)
    if reusable := _reusable(out, made_from, notify):
        return reusable
    require_space(out, 2 * (corpus.size_bytes or 0))  # the cleaned text set aside, and nearly as much again in tokens
    with new_folder(out, replace=True) as folder:
        fingerprint = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
        info = {"format": FORMAT, "fingerprint": fingerprint, "made_from": made_from}
        info |= _build(corpus, settings, ready, folder, notify)
        write_json(folder / INFO_FILE, info)
    _report(info, out, notify)
    return open_dataset(out)


def _check(corpus: Corpus, settings: PrepareSettings, out: Path) -> None:
    """Refuse before any work what would be refused after it."""
    chain_of(settings.clean)
    if out.exists() and not is_dataset(out) and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"'{out}' already exists and is not a dataset folder", hint="choose another folder")
    for folder in corpus.folders():
        if out.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"'{out}' lies inside its own source '{folder}'", hint="put the dataset folder elsewhere")


def _made_from(corpus: Corpus, settings: PrepareSettings, ready: Tokenizer | None) -> dict[str, Any]:
    """Everything that decides the dataset's content, as JSON: the same again means that the folder can be reused."""
    decides = {
        "format": FORMAT,
        "source": corpus.fingerprint(),
        "clean": [settings.clean, *chain_of(settings.clean)],
        "tokenizer": tokenizer_hash(ready) if ready else settings.tokenizer,
        "vocab_size": settings.vocab_size,
        "vocabulary_from": settings.vocabulary_from,
        "word_split": settings.word_split,
        "val_fraction": settings.val_fraction,
        "seed": settings.seed,
    }
    return dict(json.loads(json.dumps(decides)))


def _reusable(out: Path, made_from: dict[str, Any], notify: Notify) -> Dataset | None:
    """The dataset that lies there already, where it was made from exactly this and is whole; says why it is not."""
    if not is_dataset(out):
        return None
    before = read_json(out / INFO_FILE).get("made_from", {})
    if changed := [name for name, value in made_from.items() if before.get(name) != value]:
        notify(f"rebuilding '{out}': {', '.join(changed)} changed")
        return None
    try:
        dataset = open_dataset(out)
        assert dataset.tokenizer  # reading it checks it
    except UserError as error:
        notify(f"rebuilding: {error}")
        return None
    notify(f"reusing '{out}': nothing has changed")
    return dataset


def _build(
    corpus: Corpus, settings: PrepareSettings, ready: Tokenizer | None, folder: Path, notify: Notify
) -> dict[str, Any]:
    """Fill `folder` with everything but dataset.json, whose content it returns."""
    cleaner = Cleaner(settings.clean)
    text = _clean(corpus, settings, cleaner, folder, notify)
    separate = text.num_documents > 1
    tokenizer, sample = ready, 0.0
    if tokenizer is None:
        sample = min(1.0, SAMPLE_CHARACTERS / text.num_characters)
        notify(f"training the {settings.tokenizer} tokenizer" + (f" on {sample:.0%} of the text" if sample < 1 else ""))
        tokenizer = train_tokenizer(settings, rejoin(text.pieces()), sample, separate=separate)
    tokenizer.save(folder / TOKENIZER_FILE)
    separator = tokenizer.end_of_text if separate else None
    if separate and separator is None:
        notify(
            f"the tokenizer '{settings.tokenizer}' has no {END_OF_TEXT}: documents follow one another without a mark"
        )
    pieces = _watched(rejoin(text.pieces()), "encoded", notify)
    splits = encode_pieces(pieces, tokenizer, folder, separator)
    if splits["train"]["tokens"] == 0:
        raise UserError("no text is left for training", hint="give more text, or a smaller val_fraction")
    text.remove()
    cleaner.ledger.write(folder / LEDGER_FILE)
    return {
        "settings": settings.model_dump(),
        "tokenizer": {
            "kind": tokenizer.kind,
            "vocab_size": tokenizer.vocab_size,
            "sha256": tokenizer_hash(tokenizer),
            "trained_on": sample,
        },
        "dtype": token_dtype(tokenizer.vocab_size).name,
        "split_by": text.split_by,
        "separator": separator,
        "splits": splits,
        "cleaning": {"recipe": settings.clean, "ledger": cleaner.ledger.summary()},
    }


def _clean(corpus: Corpus, settings: PrepareSettings, cleaner: Cleaner, folder: Path, notify: Notify) -> SplitText:
    """Read and clean everything once, and set it aside in `folder`. The recipe 'none' keeps duplicates too."""

    def cleaned(raw: Iterable[Document]) -> Iterator[Document]:
        kept = cleaner.clean(raw)
        return drop_duplicates(kept, cleaner.ledger) if cleaner.chain else kept

    documents = Spool(folder / "documents.spool")
    documents.fill(_watched(cleaned(corpus.documents()), "cleaned", notify))
    if documents.num_characters == 0:
        raise UserError(f"the corpus '{corpus.name}' has no text")
    validation = None
    if (own := corpus.validation_documents()) is not None:
        validation = Spool(folder / "validation.spool")
        validation.fill(cleaned(own))
    return SplitText(documents, validation, settings.val_fraction, settings.seed)


def _watched(items: Iterable[Item], what: str, notify: Notify) -> Iterator[Item]:
    """The same items; every few seconds says how many characters have passed and how fast."""
    begun = last = time.monotonic()
    characters = 0
    for item in items:
        yield item
        characters += len((item.document if isinstance(item, Piece) else item).text)
        if (now := time.monotonic()) - last > PROGRESS_SECONDS:
            last = now
            millions = characters / 1e6
            notify(f"{what} {millions:,.0f} million characters ({millions / (now - begun):.1f} a second)")


def _report(info: dict[str, Any], out: Path, notify: Notify) -> None:
    """Say what was made, and what the tokenizer did not know."""
    for split, counts in info["splits"].items():
        tokens, characters, documents = (counts[name] for name in ("tokens", "characters", "documents"))
        notify(f"{split}: {tokens:,} tokens, {characters:,} characters, {documents:,} documents")
        if counts["unknown"]:
            parts = ", ".join(f"{part!r} {count}" for part, count in counts["unknown_parts"].items())
            notify(f"{split}: {counts['unknown']:,} tokens are <|unk|>, most often for: {parts}")
    train, val = (info["splits"][split]["characters"] for split in ("train", "val"))
    asked, share = info["settings"]["val_fraction"], val / (train + val)
    if info["split_by"] == "document" and abs(share - asked) > max(0.02, asked / 2):
        notify(f"validation has {share:.0%} of the text, not {asked:.0%}: the documents are few or unequal")
    notify(f"dataset folder: {out}")
