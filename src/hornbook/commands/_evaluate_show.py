"""What a person sees of an evaluation: numbers with their intervals, notes, and a few examples. 80 columns, plain."""

import textwrap
from collections.abc import Iterator

from hornbook.evaluation.base import Findings

WIDTH = 80
LONGEST = 240  # characters of a text that is shown; --out keeps all


def lines(title: str, description: str, findings: Findings | None, reason: str | None) -> Iterator[str]:
    """The lines of one evaluation, or why it was left out."""
    yield from textwrap.wrap(f"{title}: {description}", WIDTH, subsequent_indent="  ")
    if findings is None:
        yield from textwrap.wrap(f"left out: {reason}", WIDTH, initial_indent="  ", subsequent_indent="    ")
        yield ""
        return
    width = max(map(len, findings.numbers))
    if findings.intervals:
        yield f"  {'':{width}}  {'':>10}  95 % interval"
    for name, value in findings.numbers.items():
        row = f"  {name:{width}}  {number(value):>10}"
        if name in findings.intervals:
            low, high = findings.intervals[name]
            row += f"  {number(low)} to {number(high)}"
        yield row
    for note in findings.notes:
        yield from textwrap.wrap(note, WIDTH, initial_indent="  ", subsequent_indent="    ")
    for example in findings.examples:
        yield ""
        yield from _example(example)
    yield ""


def number(value: float) -> str:
    """4 digits behind the point; counts and large numbers without: 0.8650, 1,204."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 10_000 else f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.3g}"


def _example(example: dict[str, str]) -> Iterator[str]:
    width = max(map(len, example)) + 2
    for column, text in example.items():
        shown = " ".join(text.split())
        if len(shown) > LONGEST:  # the end of a question is what is asked
            shown = "... " + shown[-LONGEST:]
        lead = f"    {column + ':':{width}}"
        yield from textwrap.wrap(shown, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead)) or [
            lead.rstrip()
        ]
