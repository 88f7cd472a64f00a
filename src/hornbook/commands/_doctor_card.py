"""What a person sees of a doctor's visit: a line for each check as it is made, and a summary. 80 columns, plain."""

import textwrap
from collections import Counter
from collections.abc import Sequence

from hornbook.commands._doctor_check import Check, Result, Verdict
from hornbook.commands._doctor_subject import Subject

WIDTH = 80
MARKS: dict[Verdict, str] = {"passed": "ok", "failed": "FAILED", "left out": "--"}
MARK, TITLE = 8, 31  # columns


def heading(subject: Subject) -> str:
    """Who is examined: the name, kind, size and device; a long path has a line of its own."""
    kind, size = type(subject.model).__name__.lower(), subject.model.num_parameters()
    weights = "its own weights" if subject.trained else "fresh weights"
    about = f"{kind}, {size:,} parameters ({weights}), on {subject.device}"
    line = f"{subject.name}: {about}"
    return line if len(line) <= WIDTH else f"{subject.name}:\n{about}"


def lines(result: Result) -> list[str]:
    """One check: mark, title, measured against allowed; below a failed one what it means and what to look at."""
    check, found = result.check, result.finding
    first = MARKS[found.verdict].ljust(MARK) + check.title.ljust(TITLE)
    fits = len(first + found.text) <= WIDTH
    shown = [first + found.text] if fits else [first.rstrip(), *_wrapped(found.text, "")]
    if found.verdict == "failed":
        shown += _wrapped(found.detail, "")
        shown += _wrapped(check.checked, "checked: ") + _wrapped(check.means, "it means: ")
        shown += _wrapped(check.look_at, "look at: ")
    return shown


def _wrapped(text: str, label: str) -> list[str]:
    """Lines below a check's own; a path is never cut, so that it can be copied."""
    lead, indent = " " * MARK + label, " " * (MARK + 2 * bool(label))
    return textwrap.wrap(
        text, WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def summary(results: Sequence[Result]) -> str:
    """All in a line: '14 passed, 1 failed, 1 left out; 9.1 s'."""
    counts = Counter(result.finding.verdict for result in results)
    parts = [f"{counts[verdict]} {verdict}" for verdict in MARKS if counts[verdict]]
    return f"{', '.join(parts)}; {sum(result.seconds for result in results):.1f} s"


def description(check: Check) -> list[str]:
    """A check for who asks what there is: its name, and its sentence."""
    return textwrap.wrap(check.checked, WIDTH, initial_indent=f"{check.name:15}", subsequent_indent=" " * 15)
