"""`hornbook train RECIPE --seeds 3`: the same training several times, to see how much of a result is luck.

    OUT/data       the dataset, prepared once
    OUT/seed-0     the run with training.seed 0, seed-1 the next, ...
    OUT/pictures   the losses of all of them

The same command again goes on where it was stopped.
"""

import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hornbook.batches.dataset import Dataset
from hornbook.commands._compare_curves import draw_curves
from hornbook.commands._compare_sides import Side, Trained
from hornbook.commands._parts import dataset_of_run, open_data
from hornbook.commands._recipe import Recipe, check_recipe, read_recipe, resolved
from hornbook.commands._resume import resume_run
from hornbook.commands._settings_apart import as_written, settings_apart
from hornbook.commands._train import train_run
from hornbook.commands.base import print_json, talk
from hornbook.errors import Interrupted, UserError
from hornbook.evaluation._intervals import smallest_difference
from hornbook.leftovers import is_leftover, sweep
from hornbook.training.distributed import ALONE, under_torchrun
from hornbook.training.run_folder import RunFolder
from hornbook.weights.model_folder import find_model_folder

ANSWERS = ("training.skipped", "schedule.lowered")  # to an incident of one run
OURS = re.compile(r"data|pictures|seed-\d+")


def train_seeds(
    recipe: str, flags: Sequence[str], data: Path | None, out: Path, count: int, *, device: str, json: bool
) -> None:
    """Train `recipe` with its seed and the `count` - 1 next ones, one after the other, and say how far they spread.

    Errors: `UserError` for fewer than two, for several processes, where something else lies at `out`, and where runs
    lie there that had other settings. `Interrupted` when stopped: what is finished stays.
    """
    _check(count, out)
    checked = check_recipe(read_recipe(recipe, flags))
    sweep(out)
    folders = {seed: out / f"seed-{seed}" for seed in range(checked.training.seed, checked.training.seed + count)}
    begun = {seed: folder for seed, folder in folders.items() if (folder / "run.toml").exists()}
    dataset = _dataset(checked, data, out, list(begun.values()))
    for seed, folder in begun.items():
        _require_same(checked, dataset, seed, folder)
    for number, (seed, folder) in enumerate(folders.items(), 1):
        talk(f"seed {seed} ({number} of {count})" + (": finished already" if _is_finished(folder) else ""))
        try:
            with redirect_stdout(StringIO()):  # each run has a result to print; here only the last table counts
                if folder in begun.values():
                    if not _is_finished(folder):
                        resume_run(folder, (), None, None, device, False, ALONE)
                else:
                    one = [*flags, "--training.seed", str(seed)]
                    train_run(recipe, one, dataset.folder, folder, device=device)
        except Interrupted as error:
            message = f"{error}; or the same command again, which goes on with all that is missing"
            raise Interrupted(message, error.exit_code - 128) from None
    _report(out, folders, json)


def _check(count: int, out: Path) -> None:
    """Refuse what can't be, before any work."""
    if count < 2:
        raise UserError(
            f"seeds must be at least 2, not '{count}'", hint="one training is hornbook train without --seeds"
        )
    if under_torchrun():
        hint = "train each by --training.seed N --out OUT/seed-N; hornbook compare reads OUT as a whole"
        raise UserError("--seeds trains one run after the other in one process", hint=hint)
    if (out / "run.toml").exists():
        raise UserError(f"'{out}' already holds a run", hint="choose another --out")
    if out.exists() and (
        not out.is_dir() or any(not OURS.fullmatch(item.name) and not is_leftover(item) for item in out.iterdir())
    ):
        raise UserError(f"'{out}' already exists", hint="choose another --out")


def _dataset(recipe: Recipe, data: Path | None, out: Path, begun: Sequence[Path]) -> Dataset:
    """The dataset of all seeds. Where runs lie there already it is theirs: preparing anew could change it under them."""
    if begun and data is None and recipe.folder is None:
        return dataset_of_run(begun[0], RunFolder(begun[0]).settings)
    return open_data(recipe, data, out)


def _require_same(recipe: Recipe, dataset: Dataset, seed: int, folder: Path) -> None:
    """Errors: `UserError` where the run in `folder` was told anything else than it would be told now."""
    expected = resolved(recipe, dataset, folder)
    expected["training"]["seed"] = seed
    if recipe.folder is None and dataset.folder.resolve() == (folder.parent / "data").resolve():
        expected["data"] |= recipe.data.model_dump()
    apart = settings_apart(RunFolder(folder).settings, as_written(expected))
    for name, (before, now) in ((name, both) for name, both in apart.items() if name not in ANSWERS):
        hint = "leave the settings as they were, or choose another --out"
        raise UserError(f"'{folder}' was trained with {name} {before!r}, not {now!r}", hint=hint)


def _is_finished(folder: Path) -> bool:
    return (folder / "model" / "config.json").is_file()


@dataclass(frozen=True)
class Outcome:
    """What one seed came to: its lowest validation loss, at which step."""

    seed: int
    folder: Path
    step: int
    loss: float


def _report(out: Path, folders: dict[int, Path], json: bool) -> None:
    """Draw the curves and say what came out."""
    outcomes = [_outcome(seed, folder) for seed, folder in folders.items()]
    sides = [
        Side(f"seed {found.seed}", found.folder, [Trained(find_model_folder(found.folder), RunFolder(found.folder))])
        for found in outcomes
    ]
    paths = draw_curves(sides, out / "pictures" / "loss")
    if json:
        print_json({**_as_json(outcomes), "pictures": list(map(str, paths))})
        return
    for line in _lines(outcomes):
        print(line)
    print(f"picture  {paths[0]}")
    print(f"next     hornbook compare {out} OTHER")


def _outcome(seed: int, folder: Path) -> Outcome:
    best = min(RunFolder(folder).records("evaluation"), key=lambda record: float(record["validation_loss"]))
    return Outcome(seed, folder, best["step"], best["validation_loss"])


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    losses = [found.loss for found in outcomes]
    width = len(str(max(found.seed for found in outcomes)))
    return [
        *(
            f"seed {found.seed:{width}}  validation loss {found.loss:.4f} at step {found.step:,}  {found.folder}"
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
            {"seed": found.seed, "run": str(found.folder), "step": found.step, "validation_loss": found.loss}
            for found in outcomes
        ],
        "mean": mean(losses),
        "standard_deviation": stdev(losses),
        "lowest": min(losses),
        "highest": max(losses),
        "smallest_difference": smallest_difference(losses),
    }
