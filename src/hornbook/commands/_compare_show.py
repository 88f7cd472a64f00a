"""What `hornbook compare` found, for people at 80 columns and as plain data for programs."""

import textwrap
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from hornbook.commands._compare_measure import Comparison, Difference
from hornbook.commands._compare_sides import Side
from hornbook.commands._compare_words import notes, sentence, signed
from hornbook.commands._progress import clock
from hornbook.commands._settings_apart import settings_apart
from hornbook.evaluation._resampling import DRAWS

WIDTH = 79
LONGEST_VALUE = 24


def show(found: Comparison) -> None:
    """Print the tables, the verdicts, what was set differently, and what to keep in mind."""
    names = [side.name for side in found.sides]
    _print(_heading(found))
    print()
    _print_table(["", "loss", f"against {names[0]} (95 % interval)"], _loss_rows(found))
    if any(len(side.trained) > 1 for side in found.sides):
        print()
        _print_table(["over the seeds", "seeds", "mean", "deviation", "lowest", "highest"], _seed_rows(found))
    if any(side.first.history for side in found.sides):
        print()
        _print_table(["", "steps", "best at", "tokens", "time", "tokens/s", "parameters"], _training_rows(found))
    print()
    for difference in found.told:
        _print(sentence(difference, names, found.pieces.unit))
    for side in found.sides[1:]:
        _print_settings(found.sides[0], side)
    print()
    for note in notes(found):
        _print(f"note: {note}")


def _heading(found: Comparison) -> str:
    resampled, pieces = found.resampled, found.pieces
    size = f"{pieces.sizes.sum():,.0f} {'characters' if pieces.per_character else 'tokens'}"
    blocks = f"in blocks of {resampled.block_length}" if resampled.block_length > 1 else "one by one"
    return (
        f"loss in {pieces.unit} over the same {size} of validation text: {pieces}, resampled {DRAWS:,} times {blocks}"
    )


def _loss_rows(found: Comparison) -> list[list[str]]:
    return [
        [
            found.sides[side].name,
            f"{found.resampled.means[side]:.4f}",
            signed(found.difference(0, side).text) if side else "the reference",
        ]
        for side in found.order
    ]


def _seed_rows(found: Comparison) -> list[list[str]]:
    rows = []
    for place in found.order:
        losses = found.losses[place]
        spread = f"{stdev(losses):.4f}" if len(losses) > 1 else "-"
        numbers = [f"{value:.4f}" for value in (min(losses), max(losses))]
        rows.append([found.sides[place].name, str(len(losses)), f"{mean(losses):.4f}", spread, *numbers])
    return rows


def _training_rows(found: Comparison) -> list[list[str]]:
    rows = []
    for place in found.order:
        first, parameters = found.sides[place].first, short_count(found.parameters[place])
        cells = ["-"] * 5
        if history := first.history:
            best = "-" if first.best_step is None else f"{first.best_step:,}"
            speed = f"{history.tokens / history.seconds:,.0f}" if history.seconds else "-"
            cells = [f"{history.steps:,}", best, short_count(history.tokens), clock(history.seconds), speed]
        rows.append([found.sides[place].name, *cells, parameters])
    return rows


def short_count(number: float) -> str:
    """A count in three digits or so: 307200 -> '307k', 1234567 -> '1.23M', 950 -> '950'."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}" if number < 999.5 * size else f"{number / size:.0f}{letter}"
    return f"{number:.0f}"


def _print_settings(reference: Side, side: Side) -> None:
    """What was set differently, one setting a line, the reference's value first."""
    print()
    if not (reference.settings and side.settings):
        unknown = side if not side.settings else reference
        _print(f"how {unknown.name} was trained is not known")
        return
    apart = settings_apart(reference.settings, side.settings)
    if not apart:
        print(f"{side.name} has the settings of {reference.name}")
        return
    print(f"{side.name} differs from {reference.name} in:")
    width = max(map(len, apart))
    for name, (before, after) in apart.items():
        _print(f"  {name:{width}}  {_short(before)} -> {_short(after)}")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _print(text: str) -> None:
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    print(textwrap.fill(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True))


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their heads, names to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for cells in (heads, *rows):
        name, *numbers = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        print("  ".join([name, *numbers]).rstrip())


def as_json(found: Comparison) -> dict[str, Any]:
    """The same for programs: every two sides are compared, and all notes are there."""
    names = [side.name for side in found.sides]
    reference = found.sides[0]
    return {
        "unit": found.pieces.unit,
        "pieces": len(found.pieces.sizes),
        "pieces_are": "documents" if found.pieces.are_documents else "stretches",
        "size": int(found.pieces.sizes.sum()),
        "block_length": found.resampled.block_length,
        "draws": DRAWS,
        "runs": [
            {
                "name": side.name,
                "path": str(side.path),
                "loss": float(found.resampled.means[place]),
                "seed_losses": found.losses[place] if len(side.trained) > 1 else None,
                "parameters": found.parameters[place],
                **_history(side),
                "differs_in": settings_apart(reference.settings, side.settings) if place else {},
            }
            for place, side in enumerate(found.sides)
        ],
        "differences": [_difference(difference, names) for difference in found.differences.values()],
        "verdicts": [sentence(difference, names, found.pieces.unit) for difference in found.told],
        "notes": notes(found),
    }


def _history(side: Side) -> dict[str, Any]:
    history = side.first.history
    if history is None:
        return dict.fromkeys(("steps", "tokens", "seconds"))
    return {"steps": history.steps, "tokens": history.tokens, "seconds": round(history.seconds, 1)}


def _difference(difference: Difference, names: Sequence[str]) -> dict[str, Any]:
    return {
        "run": names[difference.other],
        "against": names[difference.reference],
        "verdict": difference.verdict,
        "text": vars(difference.text),
        "seeds": vars(difference.seeds) if difference.seeds else None,
    }
