"""metrics.jsonl, followed while it grows: the whole lines behind an offset, and whether the file is another by now."""

import json
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

Record = dict[str, Any]
NEWS_BYTES = 1_000_000  # of metrics in one answer; more of them come with the next
MARKED_BYTES = 256  # before an offset, by which the file is known again
KEPT: dict[str, tuple[str, ...]] = {  # of a record, by its kind
    "step": ("loss", "learning_rate", "tokens", "tokens_per_second"),
    "evaluation": ("validation_loss",),
    "sample": ("texts",),
    "plan": ("steps",),
    "incident": ("what",),
}


@dataclass(frozen=True)
class News:
    """What was added to the metrics: records, and how to ask for what comes after them.

    `anew`: the file is not the one that was asked about (a run that was resumed or begun again): these are from its start.
    `more`: there is more already.
    """

    records: list[Record]
    offset: int
    mark: str
    anew: bool = False
    more: bool = False


def news(run: Path, offset: int = 0, mark: str = "") -> News:
    """The records behind `offset`, whole lines only: a line that is being written is sent when it is whole."""
    try:
        file = open(run / "metrics.jsonl", "rb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        return News([], 0, "", anew=offset > 0)
    with file:
        anew = offset > 0 and (not mark or mark != _mark(file, offset))
        start = 0 if anew else offset
        file.seek(start)
        records, end, more = _lines(file, start)
        return News(records, end, _mark(file, end), anew, more)


def _lines(file: BinaryIO, start: int) -> tuple[list[Record], int, bool]:
    records: list[Record] = []
    end = start
    for line in file:
        if not line.endswith(b"\n"):
            break
        end += len(line)
        record = _record(line)
        if record:
            records.append(record)
        if end - start >= NEWS_BYTES:
            return records, end, True
    return records, end, False


def _mark(file: BinaryIO, offset: int) -> str:
    """By what a file and the bytes before an offset are known again; "" where it is shorter."""
    state = os.fstat(file.fileno())
    if state.st_size < offset:
        return ""
    begin = max(0, offset - MARKED_BYTES)
    file.seek(begin)
    return f"{state.st_ino:x}-{zlib.crc32(file.read(offset - begin)):08x}"


def _record(line: bytes) -> Record | None:
    """What the page needs of a line; None for other kinds, and for a line that a crash tore."""
    try:
        found = json.loads(line, parse_constant=lambda word: None, parse_float=_finite)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("kind") not in KEPT or not isinstance(found.get("step"), int):
        return None
    kept = KEPT[found["kind"]]
    return {"kind": found["kind"], "step": found["step"]} | {key: found.get(key) for key in kept}


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
