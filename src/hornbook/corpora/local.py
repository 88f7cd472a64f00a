"""The user's own files and folders."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hornbook.corpora.base import Corpus
from hornbook.files import sha256_of
from hornbook.text.reading import Document, find_files, read_documents, tell


class Local(Corpus):
    """Paths of txt, md, jsonl and csv files (gzip too), or folders of them.

    In: `paths`; `text_field`, which field of a jsonl record or column of a csv file is the text; `notify`, who hears
    what was skipped. Errors: `UserError` for a path that isn't there; for what can't be read, when it is read.
    """

    name = "local"
    description = "your own files and folders"
    licence = "yours to know"

    def __init__(
        self, paths: Sequence[Path], *, text_field: str = "text", notify: Callable[[str], None] = tell
    ) -> None:
        self.paths, self.text_field, self.notify = tuple(paths), text_field, notify
        self.size_bytes = sum(path.stat().st_size for path in self.files())

    def documents(self) -> Iterator[Document]:
        """The documents of all paths in the order given."""
        return read_documents(self.paths, text_field=self.text_field, notify=self.notify)

    def files(self) -> list[Path]:
        """The files that the paths stand for."""
        return [path for path, _ in find_files(self.paths, lambda _: None)]

    def folders(self) -> list[Path]:
        """Those of the paths that are folders."""
        return [path for path in self.paths if path.is_dir()]

    def fingerprint(self) -> dict[str, Any]:
        """Every file's path and sha256: a changed byte anywhere changes it, a changed date doesn't."""
        files = [[str(path), sha256_of(path)] for path in self.files()]
        return {"corpus": self.name, "text_field": self.text_field, "files": files}
