"""From a recipe to a run that can start: read the settings, check them all, then join data, model, optimizer and loop.

recipe file + environment + flags -> Recipe (typed) -> dataset -> Loop -> model folder
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.commands._base import FROM, HASH, Base, base_of, with_tokenizer, without_model
from hornbook.commands._sections import Origin, Samples, build_both, check_keys, sections_of
from hornbook.config import Layer, build, environment_layer, flag_layer, merge, read_toml
from hornbook.discovery import PACKAGE, find
from hornbook.errors import UserError, unknown
from hornbook.training.run_folder import REPORT

if TYPE_CHECKING:
    from hornbook.batches.prepare import Dataset, PrepareSettings
    from hornbook.generation.sampling import Sampling
    from hornbook.models.base import Model, ModelConfig
    from hornbook.optimizers.base import OptimizerRecipe
    from hornbook.training.schedule import Schedule
    from hornbook.training.update import Training

RECIPE_FOLDERS = (PACKAGE / "recipes", PACKAGE.parents[1] / "recipes")  # installed; a checkout
CHECKED_VOCABULARY = 256  # stands for the tokenizer's size while the settings are checked before there is one


def read_recipe(recipe: str, flags: Sequence[str] = ()) -> Layer:
    """The settings of a recipe (a packaged name or a .toml file), the environment and the flags, in that order.

    The run.toml of a run is a recipe too. Errors: `UserError` for a name that is neither, or a file or flag that can't be read.
    """
    path = find_recipe(recipe)
    layer = _found_from_here({name: keys for name, keys in read_toml(path).items() if name != REPORT}, path.parent)
    sections = sections_of(layer)
    for section in layer:
        if section not in sections:
            raise unknown("section", section, sections)
    given = merge(environment_layer(sections), flag_layer(flags, sections))
    if FROM in given.get("model", {}):
        layer = without_model(layer)
    return with_tokenizer(merge(layer, given))


def _found_from_here(layer: Layer, home: Path) -> Layer:
    """Settings of a run name its dataset, its model and its examples from the run's folder: name them from here."""
    for section, key in (("data", "folder"), ("model", FROM), ("finetune", "model"), ("finetune", "data")):
        place = layer.get(section, {}).get(key)
        if isinstance(place, str) and (home / place).exists() and (home / "run.toml").is_file():
            layer[section] = {**layer[section], key: str(home / place)}
    return layer


def find_recipe(recipe: str) -> Path:
    """'shakespeare-char' -> the packaged file, 'mine.toml' -> itself."""
    if recipe.endswith(".toml"):
        return Path(recipe)
    known = packaged_recipes()
    if recipe not in known:
        raise unknown("recipe", recipe, known, "hornbook train lists them all")
    return known[recipe]


def packaged_recipes() -> dict[str, Path]:
    """The recipes that come with Hornbook: name -> file."""
    return {path.stem: path for folder in reversed(RECIPE_FOLDERS) for path in sorted(folder.glob("*.toml"))}


def recipe_lines() -> list[str]:
    """Each packaged recipe with what it is: the first line of its file, which is a comment."""
    known = packaged_recipes()
    width = max(map(len, known))
    return [f"{name:{width}}  {_first_line(path).lstrip('# ')}" for name, path in sorted(known.items())]


def _first_line(path: Path) -> str:
    with open(path, encoding="utf-8") as lines:
        return lines.readline().strip()


@dataclass(frozen=True)
class Recipe:
    """Every setting of a run, typed and checked, before any work has begun."""

    folder: Path | None  # a dataset that is prepared already
    source: tuple[str, ...]  # what to prepare otherwise
    data: "PrepareSettings"
    model_class: "type[Model]"
    model: dict[str, Any]
    optimizer: "OptimizerRecipe"
    schedule: "Schedule"
    training: "Training"
    sampling: "Sampling"
    prompts: tuple[str, ...]
    sample_tokens: int
    base: Base | None = None  # the finished model that it goes on from

    def config(self, vocab_size: int) -> "ModelConfig":
        """The model's settings for a vocabulary of this size; a base keeps the rows that it has."""
        rows = self.base.config.vocab_size if self.base else vocab_size
        return build(self.model_class.config_class, {**self.model, "vocab_size": rows}, "model")


def check_recipe(layer: Layer, home: Path = Path()) -> Recipe:
    """Type and check all sections; a model that they go on from lies at a path that counts from `home`.

    Errors: `UserError` for the first setting that is unknown or not allowed.
    """
    from hornbook.batches.prepare import PrepareSettings
    from hornbook.generation.sampling import Sampling
    from hornbook.training.schedule import Schedule
    from hornbook.training.update import Training

    origin, data = build_both(Origin, PrepareSettings, layer, "data")
    samples, sampling = build_both(Samples, Sampling, layer, "generation")
    model_class, model, base = _model(layer.get("model", {}), home)
    return Recipe(
        folder=Path(origin.folder) if origin.folder else None,
        source=origin.source,
        data=data,
        model_class=model_class,
        model=model,
        optimizer=_optimizer(layer.get("optimizer", {})),
        schedule=build(Schedule, layer.get("schedule", {}), "schedule"),
        training=build(Training, layer.get("training", {}), "training"),
        sampling=sampling,
        prompts=samples.prompts,
        sample_tokens=samples.max_new_tokens,
        base=base,
    )


def _model(section: dict[str, Any], home: Path) -> "tuple[type[Model], dict[str, Any], Base | None]":
    """Class, settings and base; a run that has begun with a base holds all settings itself."""
    keys = dict(section)
    base = base_of(keys, home)
    if base and base.fingerprint is None:
        return *_checked(*base.settings(keys)), base
    model_class: type[Model] = find("models", str(keys.pop("kind", "llama")))
    if "vocab_size" in keys:
        raise UserError("model.vocab_size is the tokenizer's size", hint="set data.vocab_size")
    check_keys(
        "model", keys, ["kind", *(name for name in model_class.config_class.model_fields if name != "vocab_size")]
    )
    return *_checked(model_class, keys), base


def _checked(model_class: "type[Model]", keys: dict[str, Any]) -> "tuple[type[Model], dict[str, Any]]":
    build(model_class.config_class, {**keys, "vocab_size": CHECKED_VOCABULARY}, "model")
    return model_class, keys


def _optimizer(section: dict[str, Any]) -> "OptimizerRecipe":
    keys = dict(section)
    kind: type[OptimizerRecipe] = find("optimizers", str(keys.pop("kind", "adamw")))
    check_keys("optimizer", keys, ["kind", *kind.model_fields])
    return build(kind, keys, "optimizer")


def resolved(recipe: Recipe, dataset: "Dataset", run: Path) -> Layer:
    """What run.toml holds: every setting with its value, defaults included, and where the dataset lies.

    A dataset inside the run's folder, or beside it, is named relative to the run: both can be moved together.
    """
    config = recipe.config(dataset.tokenizer.vocab_size)
    base = {FROM: place_of(recipe.base.folder, run), HASH: recipe.base.found} if recipe.base else {}
    model_kind = recipe.model_class.__module__.rpartition(".")[2]
    optimizer_kind = type(recipe.optimizer).__module__.rpartition(".")[2]
    return {
        "data": {
            "folder": place_of(dataset.folder, run),
            "fingerprint": dataset.info["fingerprint"],
            "source": recipe.source,
            **dataset.info["settings"],
        },
        "model": {**base, "kind": model_kind, **config.model_dump(exclude={"vocab_size"})},
        "optimizer": {"kind": optimizer_kind, **recipe.optimizer.model_dump()},
        "schedule": recipe.schedule.model_dump(),
        "training": {**recipe.training.model_dump(), "precision": recipe.training.computes_in},
        "generation": {
            **recipe.sampling.model_dump(),
            "prompts": recipe.prompts,
            "max_new_tokens": recipe.sample_tokens,
        },
    }


def place_of(folder: Path, run: Path) -> str:
    """How a run's settings name a folder or a file: relative to the run where it lies in or beside it, else by its whole path."""
    folder, home = folder.absolute(), Path(run).absolute()
    return os.path.relpath(folder, home) if home.parent in folder.parents else str(folder)
