"""What a check of `hornbook doctor` is, what it finds, and how one is run on a subject."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

if TYPE_CHECKING:
    from hornbook.commands._doctor_subject import Subject

Verdict = Literal["passed", "failed", "left out"]


@dataclass(frozen=True)
class Finding:
    """What came of a check: `text` is short and stands on the card's line, `detail` is for who wants to know more.

    `measured` is the number that was held against `allowed`; both are None where a check is left out or broke off.
    """

    verdict: Verdict
    text: str
    detail: str = ""
    measured: float | None = None
    allowed: float | None = None


@dataclass(frozen=True)
class Check:
    """One promise: `checked` and `means` (what it means if it fails) are a sentence each, `look_at` says where to begin.

    `copies` is how many times the weights' memory it takes beside the model; `slow` is said before it starts.
    """

    name: str
    title: str
    run: "Callable[[Subject], Finding]"
    checked: str
    means: str
    look_at: str
    copies: int = 0
    slow: str = ""


@dataclass(frozen=True)
class Result:
    """A check that was run, with what it found and the seconds it took."""

    check: Check
    finding: Finding
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Everything about it as JSON values."""
        check, found = self.check, self.finding
        return {
            "check": check.name,
            "result": found.verdict,
            "measured": found.measured if math.isfinite(found.measured or 0) else None,  # JSON has no infinity
            "allowed": found.allowed,
            "text": found.text,
            "detail": found.detail,
            "checked": check.checked,
            "means": check.means,
            "look_at": check.look_at,
            "seconds": round(self.seconds, 3),
        }


def run_check(check: Check, subject: "Subject") -> Result:
    """The check's finding about the subject. An error inside it is a failure that quotes it, never a traceback."""
    begun = time.perf_counter()
    if lacking := subject.memory_lacking(check.copies):
        found = left_out(lacking)
    else:
        try:
            found = check.run(subject)
        except Exception as error:
            found = Finding("failed", "it broke off with an error", f"{type(error).__name__}: {error}")
    return Result(check, found, time.perf_counter() - begun)


def within(measured: float, allowed: float, text: str = "", detail: str = "") -> Finding:
    """Passed where `measured` is at most `allowed`; what is not a number never is."""
    passed = measured <= allowed
    return Finding(
        "passed" if passed else "failed", text or f"{measured:.1e} (at most {allowed:.0e})", detail, measured, allowed
    )


def no_faults(faults: Sequence[str], fine: str = "the same, bit for bit", fault: str = "different") -> Finding:
    """Passed where there are none: [] -> `fine`; ['a', 'b'] -> failed with '2 different', and their names."""
    if not faults:
        return Finding("passed", fine, "", 0, 0)
    few = "; ".join(faults[:3]) + (f" and {len(faults) - 3} more" if len(faults) > 3 else "")
    return Finding("failed", f"{len(faults)} {fault} (none may be)", few, len(faults), 0)


def left_out(reason: str) -> Finding:
    """A check that can't be made here, and why."""
    return Finding("left out", reason)


def apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest expected size: [1.0, 2.2], [1, 2] -> 0.1.

    Equal tensors are 0 apart, all zeros too; what is not a number is infinitely far from everything.
    """
    found, expected = found.detach().float(), expected.detach().float()
    difference = float((found - expected).abs().max())
    if difference == 0:
        return 0.0
    share = difference / max(float(expected.abs().max()), 1e-30)
    return share if share == share else float("inf")
