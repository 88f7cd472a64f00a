"""One recipe trained several times, each time told something else, on one dataset.

    OUT/data       the dataset, prepared once
    OUT/NAME       the run of each variant
    OUT/pictures   the losses of all of them

The same command again goes on where it was stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from hornbook.batches.dataset import Dataset
from hornbook.commands._compare_curves import draw_curves
from hornbook.commands._compare_sides import Side, Trained
from hornbook.commands._parts import dataset_of_run, open_data
from hornbook.commands._recipe import Recipe, check_recipe, read_recipe, resolved
from hornbook.commands._recipe_model import settled
from hornbook.commands._resume import resume_run
from hornbook.commands._settings_apart import as_written, settings_apart
from hornbook.commands._train import train_run
from hornbook.commands.base import talk
from hornbook.device import choose_device, has_bf16_unit
from hornbook.errors import Interrupted, UserError
from hornbook.leftovers import is_leftover, sweep
from hornbook.training.distributed import ALONE, under_torchrun
from hornbook.training.run_folder import RunFolder
from hornbook.weights.model_folder import find_model_folder

ANSWERS = ("training.skipped", "schedule.lowered")  # to an incident of one run


@dataclass(frozen=True)
class Outcome:
    """What one variant came to: its lowest validation loss, at which step."""

    name: str
    folder: Path
    step: int
    loss: float


def train_variants(
    recipe: str, data: Path | None, out: Path, variants: Mapping[str, Sequence[str]], device: str
) -> list[Outcome]:
    """Train `recipe` once with the flags of each variant into OUT/NAME, one after the other.

    Errors: `UserError` for several processes, where something else lies at `out`, and where runs lie there that had
    other settings. `Interrupted` when stopped: what is finished stays.
    """
    checked = {name: check_recipe(read_recipe(recipe, flags)) for name, flags in variants.items()}
    _check_place(out, variants)
    sweep(out)
    begun = {name: out / name for name in variants if (out / name / "run.toml").exists()}
    dataset = _dataset(next(iter(checked.values())), data, out, list(begun.values()))
    bf16_unit = has_bf16_unit(choose_device(device))
    for name, folder in begun.items():
        _require_same(settled(checked[name], dataset.tokenizer.vocab_size, bf16_unit), dataset, folder)
    for number, (name, flags) in enumerate(variants.items(), 1):
        done = _is_finished(out / name)
        talk(f"{name} ({number} of {len(variants)})" + (": finished already" if done else ""))
        if not done:
            _train(recipe, flags, dataset, out / name, name in begun, device)
    return [_outcome(name, out / name) for name in variants]


def _train(recipe: str, flags: Sequence[str], dataset: Dataset, folder: Path, begun: bool, device: str) -> None:
    try:
        with redirect_stdout(StringIO()):  # each run has a result to print; here only the last table counts
            if begun:
                resume_run(folder, (), None, None, device, False, ALONE, nullcontext())
            else:
                train_run(recipe, flags, dataset.folder, folder, device=device)
    except Interrupted as error:
        message = f"{error}; or the same command again, which goes on with all that is missing"
        raise Interrupted(message, error.exit_code - 128) from None


def _check_place(out: Path, names: Mapping[str, object]) -> None:
    """Refuse what can't be, before any work."""
    if under_torchrun():
        hint = "train each by itself into OUT/NAME; hornbook compare reads OUT/A OUT/B"
        raise UserError("several trainings run one after the other in one process", hint=hint)
    if (out / "run.toml").exists():
        raise UserError(f"'{out}' already holds a run", hint="choose another --out")
    ours = {"data", "pictures", *names}
    if out.exists() and (not out.is_dir() or any(not _is_ours(item, ours) for item in out.iterdir())):
        raise UserError(f"'{out}' already exists", hint="choose another --out")


def _is_ours(item: Path, names: set[str]) -> bool:
    return item.name in names or is_leftover(item) or (item / "run.toml").exists()


def _dataset(recipe: Recipe, data: Path | None, out: Path, begun: Sequence[Path]) -> Dataset:
    """The dataset of all. Where runs lie there already it is theirs: preparing anew could change it under them."""
    if begun and data is None and recipe.folder is None:
        return dataset_of_run(begun[0], RunFolder(begun[0]).settings)
    return open_data(recipe, data, out)


def _require_same(recipe: Recipe, dataset: Dataset, folder: Path) -> None:
    """Errors: `UserError` where the run in `folder` was told anything else than it would be told now."""
    expected = resolved(recipe, dataset, folder)
    if recipe.folder is None and dataset.folder.resolve() == (folder.parent / "data").resolve():
        expected["data"] |= recipe.data.model_dump()
    apart = settings_apart(RunFolder(folder).settings, as_written(expected))
    for name, (before, now) in ((name, both) for name, both in apart.items() if name not in ANSWERS):
        hint = "leave the settings as they were, or choose another --out"
        raise UserError(f"'{folder}' was trained with {name} {before!r}, not {now!r}", hint=hint)


def _is_finished(folder: Path) -> bool:
    return (folder / "model" / "config.json").is_file()


def _outcome(name: str, folder: Path) -> Outcome:
    best = min(RunFolder(folder).records("evaluation"), key=lambda record: float(record["validation_loss"]))
    return Outcome(name, folder, best["step"], best["validation_loss"])


def draw_outcomes(outcomes: Sequence[Outcome], out: Path, label: Callable[[str], str]) -> list[Path]:
    """The curves of all variants in one picture, OUT/pictures/loss; returns its files."""
    sides = [
        Side(label(found.name), found.folder, [Trained(find_model_folder(found.folder), RunFolder(found.folder))])
        for found in outcomes
    ]
    return draw_curves(sides, out / "pictures" / "loss")
