"""Where text comes from: the shelf's contract, and how a SOURCE named by the user is resolved."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hornbook.discovery import find, names
from hornbook.download import Download, fetch
from hornbook.errors import UserError, nearest
from hornbook.files import sha256_of
from hornbook.text.reading import Document, read_documents, tell


class Corpus(ABC):
    """A source of documents. `name` is what the user types; the file's name has '_' where it has '-'."""

    SHELF = True
    name: ClassVar[str]
    description: ClassVar[str]
    licence: ClassVar[str]
    address: ClassVar[str | None] = None
    sha256: ClassVar[str | None] = None
    size_bytes: int | None = None

    @abstractmethod
    def documents(self) -> Iterator[Document]:
        """The documents, always the same ones in the same order, read as they are asked for."""

    def validation_documents(self) -> Iterator[Document] | None:
        """The documents kept apart for validation, or None where the corpus has no split of its own."""
        return None

    def folders(self) -> list[Path]:
        """The user's folders that are read, so that nothing is written into them meanwhile; none for most corpora."""
        return []

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What decides the text, as JSON values: two equal fingerprints mean the same documents."""


class DownloadedCorpus(Corpus):
    """A corpus that is one file published elsewhere; `hornbook fetch` puts it into the cache folder.

    In: `folder`, where the file lies (the cache folder where not given). `member` is the wanted file's name where the
    address holds a zip archive.
    """

    address: ClassVar[str]
    mirrors: ClassVar[tuple[str, ...]] = ()
    sha256: ClassVar[str]
    size_bytes: int
    file_name: ClassVar[str]
    member: ClassVar[str | None] = None

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or cache_folder()) / self.file_name

    def fetch(
        self, folder: Path | None = None, *, from_file: Path | None = None, notify: Callable[[str], None] = tell
    ) -> Path:
        """Put the file in place (or into `folder`), from `from_file` or from the net; returns its path.

        Errors: `UserError` where neither gives it.
        """
        download = Download((self.address, *self.mirrors), self.sha256, self.size_bytes, self.member)
        target = folder / self.file_name if folder else self.path
        return fetch(download, target, from_file=from_file, notify=notify)

    def fetched_path(self) -> Path:
        """The file's path. Errors: `UserError` with the command that fetches it where it is absent."""
        if not self.path.is_file():
            raise UserError(
                f"the corpus '{self.name}' is not on this machine yet",
                hint=f"hornbook fetch {self.name} (without network: hornbook fetch {self.name} --from FILE)",
            )
        return self.path

    def documents(self) -> Iterator[Document]:
        """The file as `text/reading` reads it: one document."""
        return read_documents([self.fetched_path()])

    def fingerprint(self) -> dict[str, Any]:
        """The name and the file's sha256. Errors: `UserError` where the cached file is no longer the published one."""
        found = sha256_of(self.fetched_path())
        if found != self.sha256:
            raise UserError(f"'{self.path}' is not the published '{self.name}'", hint=f"hornbook fetch {self.name}")
        return {"corpus": self.name, "sha256": found}


def cache_folder() -> Path:
    """Where fetched corpora lie: $HORNBOOK_HOME/corpora, or ~/.cache/hornbook/corpora."""
    home = os.environ.get("HORNBOOK_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "hornbook") / "corpora"


def corpus_names() -> list[str]:
    """What a user may name, `local` (the user's own paths) left out: ['instructions', ..., 'village']."""
    return [name.replace("_", "-") for name in names("corpora") if name != "local"]


def open_corpus(name: str) -> Corpus:
    """The corpus of that name with its default settings. Errors: `UserError` with the names and the near one."""
    if name not in corpus_names():
        near = nearest(name, corpus_names())
        raise UserError(
            f"unknown corpus '{name}'", choices=corpus_names(), hint=f"did you mean '{near}'?" if near else None
        )
    corpus: Corpus = find("corpora", name.replace("-", "_"))()
    return corpus


def open_source(
    sources: Sequence[str | Path], text_field: str = "text", notify: Callable[[str], None] = tell
) -> Corpus:
    """One corpus name, or one or more paths of the user's own, as a corpus.

    A name goes before a file of the same name; `./verdict` is the file. `text_field` and `notify` are for the paths:
    see `corpora/local`. Errors: `UserError` where a source is neither.
    """
    texts = [str(source) for source in sources]
    if not texts:
        raise UserError("no source given", choices=corpus_names(), hint="name a corpus, or paths of your own")
    named = [text for text in texts if text in corpus_names()]
    if named and len(texts) == 1:
        return open_corpus(named[0])
    if named:
        raise UserError(
            f"the corpus '{named[0]}' can't be mixed with other sources",
            hint=f"give it alone, or write './{named[0]}' for a file of that name",
        )
    for text in texts:
        _require_path(text)
    local = find("corpora", "local")  # found by name: its file imports this one
    corpus: Corpus = local([Path(text) for text in texts], text_field=text_field, notify=notify)
    return corpus


def _require_path(text: str) -> None:
    if not text or not Path(text).exists():
        near = nearest(text, corpus_names())
        raise UserError(
            f"'{text}' is neither a corpus nor a path here: no such file",
            choices=corpus_names(),
            hint=f"did you mean '{near}'?" if near else None,
        )
