"""`hornbook train RECIPE --vary training.batch_size=8,16`: one training for each value, or each combination of values."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from hornbook.commands._variants import Outcome, draw_outcomes, train_variants
from hornbook.commands.base import print_json
from hornbook.errors import UserError

FORM = "write --vary section.key=value,value, as in --vary optimizer.learning_rate=1e-3,3e-3"


def train_varied(
    recipe: str, flags: Sequence[str], data: Path | None, out: Path, vary: Sequence[str], *, device: str, json: bool
) -> None:
    """Train `recipe` once for every combination of the values, and list what came out, the lowest loss first.

    Errors: `UserError` for what can't be read, or would need another dataset for each value; as `train_variants`.
    """
    choices = [_choices(text) for text in vary]
    if len({key for key, _ in choices}) < len(choices):
        raise UserError("a setting can be varied once only", hint="name all its values in one --vary")
    variants = {}
    for values in itertools.product(*(values for _, values in choices)):
        chosen = dict(zip((key for key, _ in choices), values, strict=True))
        variants[name_of(chosen)] = [*flags, *(word for key, value in chosen.items() for word in (f"--{key}", value))]
    outcomes = sorted(train_variants(recipe, data, out, variants, device), key=lambda found: found.loss)
    paths = draw_outcomes(outcomes, out, str)
    if json:
        runs = [
            {"variant": one.name, "run": str(one.folder), "step": one.step, "validation_loss": one.loss}
            for one in outcomes
        ]
        print_json({"runs": runs, "pictures": list(map(str, paths))})
        return
    _show(outcomes, paths)


def _choices(text: str) -> tuple[str, list[str]]:
    """'model.context_length=64,128' -> ('model.context_length', ['64', '128'])."""
    key, equals, values = text.removeprefix("--").partition("=")
    named = [value.strip() for value in values.split(",")]
    if not equals or "." not in key or not all(named):
        raise UserError(f"'{text}' is no setting with its values", hint=FORM)
    if len(set(named)) < max(2, len(named)):
        raise UserError(f"'{text}' names fewer than two values, or one twice", hint=FORM)
    if key.startswith("data."):
        hint = "prepare one for each with hornbook prepare, and train with --data"
        raise UserError(f"'{key}' can't be varied: each value needs a dataset of its own", hint=hint)
    return key, named


def name_of(chosen: dict[str, str]) -> str:
    """The folder of a combination: {'optimizer.learning_rate': '1e-3'} -> 'learning_rate=1e-3'."""
    return "_".join(
        f"{key.partition('.')[2]}={re.sub(r'[^A-Za-z0-9.+-]', '-', value)}" for key, value in chosen.items()
    )


def _show(outcomes: Sequence[Outcome], paths: Sequence[Path]) -> None:
    width = max(len(found.name) for found in outcomes)
    for found in outcomes:
        print(f"{found.name:{width}}  validation loss {found.loss:.4f} at step {found.step:,}")
    print(f"picture  {paths[0]}")
    best, second = (found.folder for found in outcomes[:2])
    print(f"next     hornbook compare {second} {best}")
