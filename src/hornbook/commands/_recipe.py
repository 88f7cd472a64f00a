"""From a recipe to a run that can start: read the settings, check them all, then join data, model, optimizer and loop.

recipe file + environment + flags -> Recipe (typed) -> dataset -> Loop -> model folder
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.commands._sections import Origin, Samples, build_both, check_keys
from hornbook.config import Layer, build, environment_layer, flag_layer, merge, read_toml
from hornbook.discovery import PACKAGE, find
from hornbook.errors import UserError, unknown

if TYPE_CHECKING:
    import torch

    from hornbook.batches.prepare import Dataset, PrepareSettings
    from hornbook.generation.sampling import Sampling
    from hornbook.models.base import Model
    from hornbook.optimizers.base import OptimizerRecipe
    from hornbook.training.measure import Batch
    from hornbook.training.schedule import Schedule
    from hornbook.training.update import Parts, Training

SECTIONS = ("data", "model", "optimizer", "schedule", "training", "generation")
RECIPE_FOLDERS = (PACKAGE / "recipes", PACKAGE.parents[1] / "recipes")  # installed; a checkout
OPENING_TOKENS = 8  # of the validation part: the prompt of samples where a recipe has none
CHECKED_VOCABULARY = 256  # stands for the tokenizer's size while the settings are checked before there is one


def read_recipe(recipe: str, flags: Sequence[str] = ()) -> Layer:
    """The settings of a recipe (a packaged name or a .toml file), the environment and the flags, in that order.

    Errors: `UserError` for a name that is neither, or a file or flag that can't be read.
    """
    layer = read_toml(find_recipe(recipe))
    for section in layer:
        if section not in SECTIONS:
            raise unknown("section", section, SECTIONS)
    return merge(layer, environment_layer(SECTIONS), flag_layer(flags, SECTIONS))


def find_recipe(recipe: str) -> Path:
    """'shakespeare-char' -> the packaged file, 'mine.toml' -> itself."""
    if recipe.endswith(".toml"):
        return Path(recipe)
    known = {path.stem: path for folder in reversed(RECIPE_FOLDERS) for path in sorted(folder.glob("*.toml"))}
    if recipe not in known:
        raise unknown("recipe", recipe, known)
    return known[recipe]


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


def check_recipe(layer: Layer) -> Recipe:
    """Type and check all sections. Errors: `UserError` for the first setting that is unknown or not allowed."""
    from hornbook.batches.prepare import PrepareSettings
    from hornbook.generation.sampling import Sampling
    from hornbook.training.schedule import Schedule
    from hornbook.training.update import Training

    origin, data = build_both(Origin, PrepareSettings, layer, "data")
    samples, sampling = build_both(Samples, Sampling, layer, "generation")
    model_class, model = _model(layer.get("model", {}))
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
    )


def _model(section: dict[str, Any]) -> "tuple[type[Model], dict[str, Any]]":
    keys = dict(section)
    model_class: type[Model] = find("models", str(keys.pop("kind", "llama")))
    if "vocab_size" in keys:
        raise UserError("model.vocab_size is the tokenizer's size", hint="set data.vocab_size")
    check_keys(
        "model", keys, ["kind", *(name for name in model_class.config_class.model_fields if name != "vocab_size")]
    )
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
    config = build(
        recipe.model_class.config_class, {**recipe.model, "vocab_size": dataset.tokenizer.vocab_size}, "model"
    )
    model_kind = recipe.model_class.__module__.rpartition(".")[2]
    optimizer_kind = type(recipe.optimizer).__module__.rpartition(".")[2]
    folder, home = dataset.folder.absolute(), Path(run).absolute()
    return {
        "data": {
            "folder": os.path.relpath(folder, home) if home.parent in folder.parents else str(folder),
            "fingerprint": dataset.info["fingerprint"],
            "source": recipe.source,
            **dataset.info["settings"],
        },
        "model": {"kind": model_kind, **config.model_dump(exclude={"vocab_size"})},
        "optimizer": {"kind": optimizer_kind, **recipe.optimizer.model_dump()},
        "schedule": recipe.schedule.model_dump(),
        "training": recipe.training.model_dump(),
        "generation": {
            **recipe.sampling.model_dump(),
            "prompts": recipe.prompts,
            "max_new_tokens": recipe.sample_tokens,
        },
    }


def dataset_of_run(run: Path, settings: Layer) -> "Dataset":
    """The dataset that a run's settings name. Errors: `UserError` where it is gone or holds another text by now."""
    from hornbook.batches.prepare import open_dataset

    data = settings["data"]
    dataset = open_dataset(Path(run) / data["folder"])  # an absolute folder stays itself
    if data.get("fingerprint") not in (None, dataset.info["fingerprint"]):
        hint = "prepare the old text there again, or train anew"
        raise UserError(f"'{dataset.folder}' is not the dataset that the run '{run}' began with", hint=hint)
    return dataset


def build_parts(recipe: Recipe, dataset: "Dataset", device: str = "auto") -> "Parts":
    """Join what a training is made of at step 0: model with its first weights, optimizer, batches, validation, samples.

    Errors: `UserError` where the text is shorter than one window, or none of it is kept for validation.
    """
    from hornbook.device import choose_device
    from hornbook.randomness import torch_generator
    from hornbook.training.measure import next_token_loss
    from hornbook.training.update import Parts

    training, place = recipe.training, choose_device(device)
    config = build(
        recipe.model_class.config_class, {**recipe.model, "vocab_size": dataset.tokenizer.vocab_size}, "model"
    )
    model = recipe.model_class(config, torch_generator(training.seed, "weights")).to(place)
    batches, validation = _data(dataset, config.context_length, training, place)
    optimizer = recipe.optimizer.build(model.named_parameters())
    return Parts(model, optimizer, batches, next_token_loss, validation, _sampler(recipe, dataset, model))


def _data(
    dataset: "Dataset", context_length: int, training: "Training", device: "torch.device"
) -> "tuple[Callable[[int], list[Batch]], Callable[[], Iterator[Batch]]]":
    """(step -> its microbatches, the validation batches): both pure, so a resumed run reads what it would have read."""
    from hornbook.batches.order import batch_starts
    from hornbook.batches.windows import Windows

    if len(dataset.val) < 2:
        raise UserError("no text is kept for validation", hint="give more text, or a larger --data.val_fraction")
    rows = training.microbatch_size or training.batch_size
    train = Windows(dataset.train, context_length, name="the training part")
    held_out = Windows(dataset.val, context_length, padded=True, name="the validation part")
    num_tokens = len(dataset.train)

    def microbatches(step: int) -> "list[Batch]":
        starts = batch_starts(
            step,
            seed=training.seed,
            batch_size=training.batch_size,
            num_tokens=num_tokens,
            context_length=context_length,
        )
        return [_moved(train.gather(starts[first : first + rows]), device) for first in range(0, len(starts), rows)]

    def validation() -> "Iterator[Batch]":
        every = max(1, round(1 / training.evaluate_fraction))  # a share is every so-manieth batch: always the same ones
        for number, batch in enumerate(held_out.every_batch(rows)):
            if number % every == 0:
                yield _moved(batch, device)

    return microbatches, validation


def _moved(batch: "Batch", device: "torch.device") -> "Batch":
    return batch[0].to(device), batch[1].to(device)


def _sampler(recipe: Recipe, dataset: "Dataset", model: "Model") -> "Callable[[int], list[str]]":
    """What the model writes behind each prompt; always with the same draws, so that only the model changes.

    Without prompts in the recipe it goes on from the first words of the validation part.
    Errors: `UserError` for a prompt with characters or words that the tokenizer doesn't know, before any training.
    """
    from hornbook.generation.generate import LanguageModel

    writer = LanguageModel(model, dataset.tokenizer, {})
    prompts = recipe.prompts or (opening(dataset, OPENING_TOKENS),)
    for prompt in prompts:
        writer.prompt_ids(prompt)

    def samples(step: int) -> list[str]:
        texts = [
            writer.generate(prompt, max_new_tokens=recipe.sample_tokens, **recipe.sampling.model_dump())
            for prompt in prompts
        ]
        return [prompt + text for prompt, text in zip(prompts, texts, strict=True)]

    return samples


def opening(dataset: "Dataset", num_tokens: int) -> str:
    """The first words of the validation text, a prompt that its tokenizer knows; it begins with a whole word.

    A split by position may fall inside a word, so what stands before the first space is left out.
    """
    special = set(dataset.tokenizer.special_tokens.values())
    ids = [token for token in dataset.val[: 2 * num_tokens].tolist() if token not in special]
    text = dataset.tokenizer.decode(ids[:num_tokens])
    whole = text if dataset.info["split_by"] != "position" else text.partition(" ")[2]
    return whole.strip() or text


def open_data(recipe: Recipe, folder: Path | None, out: Path) -> "Dataset":
    """The dataset of a run: the folder given, else the recipe's own, else its source prepared into OUT/data."""
    from hornbook.batches.prepare import open_dataset, prepare
    from hornbook.commands.base import talk

    chosen = folder or recipe.folder
    return open_dataset(chosen) if chosen else prepare(recipe.source, recipe.data, out / "data", notify=talk)
