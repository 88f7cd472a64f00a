"""The curves of `hornbook compare --picture`: every run on axes that mean the same for all of them."""

import math
from collections.abc import Sequence
from pathlib import Path

from hornbook.commands._compare_sides import History, Side, Trained
from hornbook.errors import UserError
from hornbook.pictures.run_curves import TITLE, Curve, run_curves

ENDINGS = (".png", ".svg")  # both are drawn, whichever is named
OWN_TEXTS = "Validation loss, each on a text of its own (training loss faint)"


def check_curves(sides: Sequence[Side]) -> None:
    """Errors: `UserError` where no side has a run behind its model, so that there is nothing to draw."""
    if not any(trained.history for side in sides for trained in side.trained):
        raise UserError("no curves to draw: none of these models lies in its run folder", hint="leave --picture out")


def draw_curves(
    sides: Sequence[Side], place: Path, *, per_character: bool = False, one_text: bool = True
) -> list[Path]:
    """Draw all runs that are there and return the picture's files.

    The runs are laid side by side by step where a step reads as much in all of them, else by what they have read.
    `per_character`: their tokens differ, so losses and what was read are counted in characters. `one_text`: all were
    validated on the same text; the title says where they were not.
    """
    runs = [(side.name, trained, history) for side in sides for trained in side.trained if (history := trained.history)]
    if per_character:
        runs = [run for run in runs if run[1].characters_per_token("train") and run[1].characters_per_token("val")]
    a_step = {round(history.tokens / history.steps) for _, _, history in runs}
    stem = place.with_suffix("") if place.suffix in ENDINGS else place
    xlabel, ylabel = "tokens read", "loss (nats per token)"
    if per_character:
        curves, xlabel, ylabel = [_in_characters(*run) for run in runs], "characters read", "loss (bits per character)"
    elif len(a_step) == 1:
        curves, xlabel = [_scaled(name, run, 1, 1) for name, _, run in runs], "step"
    else:
        curves = [_scaled(name, run, run.tokens / run.steps, 1) for name, _, run in runs]
    return run_curves(curves, stem, xlabel=xlabel, ylabel=ylabel, title=TITLE if one_text else OWN_TEXTS)


def _in_characters(name: str, trained: Trained, run: History) -> Curve:
    train, val = trained.characters_per_token("train") or 1.0, trained.characters_per_token("val") or 1.0
    curve = _scaled(name, run, run.tokens / run.steps * train, 1 / math.log(2) / val)
    return Curve(name, [(place, loss * val / train) for place, loss in curve.train], curve.validation)


def _scaled(name: str, run: History, across: float, up: float) -> Curve:
    train, validation = (
        [(step * across, loss * up) for step, loss in points] for points in (run.train, run.validation)
    )
    return Curve(name, train, validation)
