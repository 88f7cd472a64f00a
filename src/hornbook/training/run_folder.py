"""The run folder: what a run was told (run.toml) and what happened (metrics.jsonl, append-only, the source of truth)."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from hornbook.config import Layer, read_toml, to_toml
from hornbook.errors import UserError
from hornbook.files import disk_errors, sync_folder, write_atomic
from hornbook.leftovers import is_leftover

Record = dict[str, Any]
REPORT = "report"  # the section of run.toml that says what came out of a run; no setting
HISTORY = ("incident", "choice", "settings")  # kinds of records that are not computed again


class RunFolder:
    """One run on disk. `RunFolder.create(path, settings)` begins it, `RunFolder(path)` opens one that exists."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not (self.path / "run.toml").is_file():
            raise UserError(
                f"'{path}' is not a run folder (it has no run.toml)", hint="name the folder given to train --out"
            )
        self._metrics: TextIO | None = None

    @classmethod
    def create(cls, path: Path, settings: Layer) -> "RunFolder":
        """Begin a run at `path`. Errors: `UserError` where a run or a file already lies there."""
        cls.check_new(path)
        write_atomic(Path(path) / "run.toml", to_toml(settings))
        return cls(path)

    @staticmethod
    def check_new(path: Path) -> None:
        """Raise `UserError` where a run can't begin: a folder may hold its dataset and what a kill left, but no run yet."""
        path = Path(path)
        if (path / "run.toml").exists():
            raise UserError(f"'{path}' already holds a run", hint=f"hornbook resume {path}, or choose another --out")
        if path.exists() and (
            not path.is_dir() or any(item.name != "data" and not is_leftover(item) for item in path.iterdir())
        ):
            raise UserError(f"'{path}' already exists", hint="choose another --out")

    @property
    def settings(self) -> Layer:
        """Every setting of the run, resolved."""
        return {name: keys for name, keys in read_toml(self.path / "run.toml").items() if name != REPORT}

    def write_report(self, report: Record) -> None:
        """Put what came out of the run into run.toml, behind its settings."""
        write_atomic(self.path / "run.toml", to_toml({**self.settings, REPORT: report}))

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the finished model."""
        return self.path / "model"

    @property
    def pictures(self) -> Path:
        """The folder of the pictures."""
        return self.path / "pictures"

    def append(self, record: Record) -> None:
        """Add one line to metrics.jsonl; a reader beside the run sees it at once."""
        with disk_errors(self.path):
            if self._metrics is None:
                path = self.path / "metrics.jsonl"
                self._metrics = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 (closed in close)
            self._metrics.write(json.dumps(record, ensure_ascii=False) + "\n")

    def flush(self, *, sync: bool = False) -> None:
        """Hand what was appended to the system; with `sync` it is on the disk when this returns, power cut or not."""
        if self._metrics is not None:
            with disk_errors(self.path):
                self._metrics.flush()
                if sync:
                    os.fsync(self._metrics.fileno())
                    sync_folder(self.path)  # the file may be new

    def close(self) -> None:
        """Flush and close; appending opens it again."""
        if self._metrics is not None:
            with disk_errors(self.path):
                self._metrics.close()
            self._metrics = None

    def records(self, kind: str | None = None) -> Iterator[Record]:
        """The metrics so far, all or of one kind (step, evaluation, sample), up to the first line that a crash tore."""
        self.flush()
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return
        with open(path, "rb") as lines:  # bytes: a line may be torn inside a letter
            for line in lines:
                record = _whole(line)
                if record is None:
                    return
                if kind in (None, record["kind"]):
                    yield record

    def rewind(self, step: int) -> None:
        """Forget what came after `step` updates: a resumed run writes it again, each step once. What people did stays."""
        kept = [
            json.dumps(record, ensure_ascii=False)
            for record in self.records()
            if record["step"] <= step or record["kind"] in HISTORY
        ]
        self.close()
        write_atomic(self.path / "metrics.jsonl", "".join(line + "\n" for line in kept))


def _whole(line: bytes) -> Record | None:
    """The record of one line, or None where the line was not written to its end (a power cut may leave zeros instead)."""
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
