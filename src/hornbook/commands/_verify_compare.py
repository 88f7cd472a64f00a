"""Two runs of one training, compared to the last bit: the last checkpoint, the model, every record of metrics.jsonl.

What a clock says (CLOCK) is left out; everything else must be the same, and each record there exactly once.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.files import read_json, sha256_of
from hornbook.leftovers import is_leftover
from hornbook.training.checkpoint import BEST, STATE, folder_of, steps_saved

CLOCK = ("tokens_per_second",)
MODEL = Path("model", "model.safetensors")
Record = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found: what -> (sha256 in the first run, in the second); how many records of each kind; differences."""

    hashes: dict[str, tuple[str, str]]
    records: dict[str, int]
    differences: list[str]


def compare(first: Path, second: Path) -> Comparison:
    """Compare a run that was never stopped (`first`) with one that was; each difference is one line, the first ones first."""
    saved = [max(steps_saved(run / "checkpoints"), default=0) for run in (first, second)]
    if saved[0] != saved[1] or not saved[0]:
        return Comparison(
            {}, {}, [f"the last checkpoint is of step {saved[0]} in one run, of step {saved[1]} in the other"]
        )
    checkpoints = [folder_of(run / "checkpoints", saved[0]) for run in (first, second)]
    names = sorted({path.name for folder in checkpoints for path in folder.glob("*.safetensors")})
    pairs = {Path(name).stem: (checkpoints[0] / name, checkpoints[1] / name) for name in names}
    pairs["model"] = (first / MODEL, second / MODEL)
    hashes = {what: (_hash(one), _hash(other)) for what, (one, other) in pairs.items()}
    ours, theirs = (list(records(run)) for run in (first, second))
    differences = [
        *_record_differences(ours, theirs),
        *(_tensor_difference(what, *pairs[what]) for what, (one, other) in hashes.items() if one != other),
        *_state_differences(checkpoints[0], checkpoints[1]),
        *_left_behind(second),
    ]
    return Comparison(hashes, dict(Counter(record["kind"] for record in ours)), differences)


def records(run: Path) -> Iterator[Record]:
    """Every record of a run's metrics.jsonl without what a clock said."""
    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        yield {key: value for key, value in json.loads(line).items() if key not in CLOCK}


def _hash(path: Path) -> str:
    return sha256_of(path) if path.is_file() else "missing"


def _record_differences(ours: list[Record], theirs: list[Record]) -> Iterator[str]:
    """What stands twice, what is missing, what is too much, which values differ, whether the order does: the first of each."""
    mine, others = ({_name(record): record for record in run} for run in (ours, theirs))
    counts = Counter(map(_name, theirs)) | Counter(map(_name, ours))
    unlike = ((name, _first_difference(mine[name], others[name])) for name in mine if name in others)
    yield from _first(f"{name} stands there {count} times" for name, count in counts.items() if count > 1)
    yield from _first(f"{name} is missing" for name in mine if name not in others)
    yield from _first(f"{name} is one too many" for name in others if name not in mine)
    yield from _first(f"{name}: {where}" for name, where in unlike if where)
    if mine.keys() == others.keys():
        yield from _first(
            f"{one} stands at another place" for one, other in zip(mine, others, strict=True) if one != other
        )


def _first(lines: Iterable[str]) -> Iterator[str]:
    """The first of some lines about records, and how many more there are."""
    first, *more = [*lines, ""]
    if first:
        yield f"metrics.jsonl: {first}" + (f" (and {len(more) - 1} more like it)" if len(more) > 1 else "")


def _name(record: Record) -> str:
    return f"the {record['kind']} of step {record['step']}" if record["kind"] != "step" else f"step {record['step']}"


def _tensor_difference(what: str, first: Path, second: Path) -> str:
    """Which tensor of two safetensors files is the first to differ, and how."""
    import torch
    from safetensors import safe_open

    if not (first.is_file() and second.is_file()):
        return f"{what}: '{(second if first.is_file() else first).name}' is missing"
    with safe_open(first, "pt") as ours, safe_open(second, "pt") as theirs:
        if set(ours.keys()) != set(theirs.keys()):
            return f"{what}: only one run has '{min(set(ours.keys()) ^ set(theirs.keys()))}'"
        for name in sorted(ours.keys()):
            one, other = ours.get_tensor(name), theirs.get_tensor(name)
            if one.shape != other.shape:
                return f"{what}: '{name}' has the shape {tuple(one.shape)}, then {tuple(other.shape)}"
            if not torch.equal(one, other):
                unlike, apart = int((one != other).sum()), float((one.double() - other.double()).abs().max())
                return f"{what}: '{name}' differs in {unlike:,} of {one.numel():,} numbers, by up to {apart:.3g}"
    return f"{what}: the numbers are the same, but not the bytes"


def _state_differences(first: Path, second: Path) -> Iterator[str]:
    """What the checkpoints know beside their tensors, and which step was the best."""
    ours, theirs = read_json(first / STATE), read_json(second / STATE)
    if where := _first_difference({**ours, "sha256": 0}, {**theirs, "sha256": 0}):
        yield f"{STATE}: {where}"
    best = [read_json(folder.parent / BEST) for folder in (first, second)]
    if where := _first_difference(best[0], best[1]):
        yield f"{BEST}: {where}"


def _left_behind(run: Path) -> Iterator[str]:
    """What killed writes left and resuming did not clear away."""
    left = sorted(path.relative_to(run) for path in run.rglob(".*") if is_leftover(path))
    if left:
        yield f"{len(left)} half-written {'file was' if len(left) == 1 else 'files were'} left behind: '{left[0]}'"


def _first_difference(one: Any, other: Any, place: str = "") -> str | None:
    """Where two JSON values differ first: "param_groups.0.lr is 0.1, not 0.2"; None where they are the same."""
    pairs: list[tuple[object, Any, Any]]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        pairs = [(key, value, other[key]) for key, value in one.items()]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(index, mine, its) for index, (mine, its) in enumerate(zip(one, other, strict=True))]
    else:
        same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)  # as text, NaN is like NaN
        return None if same else f"{place or 'it'} is {json.dumps(other)}, not {json.dumps(one)}"
    found = (_first_difference(mine, its, f"{place}.{key}".lstrip(".")) for key, mine, its in pairs)
    return next(filter(None, found), None)
