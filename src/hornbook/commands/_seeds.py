"""`hornbook train RECIPE --seeds 3`: the same training several times, to see how much of a result is luck."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hornbook.commands._recipe import check_recipe, read_recipe
from hornbook.commands._variants import Outcome, draw_outcomes, train_variants
from hornbook.commands.base import print_json
from hornbook.errors import UserError
from hornbook.evaluation._intervals import smallest_difference


def train_seeds(
    recipe: str, flags: Sequence[str], data: Path | None, out: Path, count: int, *, device: str, json: bool
) -> None:
    """Train `recipe` with its seed and the `count` - 1 next ones into OUT/seed-0 and so on, and say how far they spread.

    Errors: `UserError` for fewer than two; as `train_variants`.
    """
    if count < 2:
        hint = "one training is hornbook train without --seeds"
        raise UserError(f"seeds must be at least 2, not '{count}'", hint=hint)
    first = check_recipe(read_recipe(recipe, flags)).training.seed
    seeds = range(first, first + count)
    variants = {f"seed-{seed}": [*flags, "--training.seed", str(seed)] for seed in seeds}
    outcomes = train_variants(recipe, data, out, variants, device)
    paths = draw_outcomes(outcomes, out, lambda name: name.replace("-", " "))
    if json:
        print_json({**_as_json(outcomes), "pictures": list(map(str, paths))})
        return
    for line in _lines(outcomes):
        print(line)
    print(f"picture  {paths[0]}")
    print(f"next     hornbook compare {out} OTHER")


def _seed(found: Outcome) -> int:
    return int(found.name.removeprefix("seed-"))


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    losses = [found.loss for found in outcomes]
    width = len(str(max(map(_seed, outcomes))))
    return [
        *(
            f"seed {_seed(found):{width}}  validation loss {found.loss:.4f} at step {found.step:,}  {found.folder}"
            for found in outcomes
        ),
        f"mean {mean(losses):.4f}, standard deviation {stdev(losses):.4f}, from {min(losses):.4f} to {max(losses):.4f}",
        f"To tell another recipe from this one, with {len(losses)} seeds each, their means must lie",
        f"{smallest_difference(losses):.4f} apart or more (95 %, Student's t), where they spread alike.",
    ]


def _as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    losses = [found.loss for found in outcomes]
    return {
        "runs": [
            {"seed": _seed(found), "run": str(found.folder), "step": found.step, "validation_loss": found.loss}
            for found in outcomes
        ],
        "mean": mean(losses),
        "standard_deviation": stdev(losses),
        "lowest": min(losses),
        "highest": max(losses),
        "smallest_difference": smallest_difference(losses),
    }
