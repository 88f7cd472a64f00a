"""From checked settings to what a run is made of: dataset, model, optimizer, batches, validation, samples."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.commands._recipe import Recipe
from hornbook.config import Layer
from hornbook.errors import UserError
from hornbook.training.distributed import ALONE, World

if TYPE_CHECKING:
    from hornbook.batches.prepare import Dataset
    from hornbook.layers.loss import Batch
    from hornbook.models.base import Model, ModelConfig
    from hornbook.training.update import Parts, Training

OPENING_TOKENS = 8  # of the validation part: the prompt of samples where a recipe has none


def dataset_of_run(run: Path, settings: Layer) -> "Dataset":
    """The dataset that a run's settings name. Errors: `UserError` where it is gone or holds another text by now."""
    from hornbook.batches.prepare import open_dataset

    data = settings["data"]
    dataset = open_dataset(Path(run) / data["folder"])  # an absolute folder stays itself
    if data.get("fingerprint") not in (None, dataset.info["fingerprint"]):
        hint = "prepare the old text there again, or train anew"
        raise UserError(f"'{dataset.folder}' is not the dataset that the run '{run}' began with", hint=hint)
    return dataset


def build_parts(recipe: Recipe, dataset: "Dataset", device: str = "auto", world: World = ALONE) -> "Parts":
    """Join what a training is made of at step 0: model with its first weights, optimizer, batches, validation, samples.

    Several processes may part a model among them (`training.sharded`); such a one writes no samples on the way.
    Errors: `UserError` where the text is shorter than one window, or none of it is kept for validation.
    """
    from hornbook.device import choose_device
    from hornbook.layers.loss import next_token_loss
    from hornbook.training.sharding import shard
    from hornbook.training.update import Parts

    training, place = recipe.training, choose_device(device)
    config = recipe.config(dataset.tokenizer.vocab_size)
    model = first_model(recipe, config, dataset).to(place)
    parted = training.sharded and world.size > 1
    if parted:
        shard(model, world)
    batches, validation = _data(dataset, config.context_length, training)
    optimizer = recipe.optimizer.build(model.named_parameters())
    sample = None if parted else _sampler(recipe, dataset, model)
    return Parts(model, optimizer, batches, next_token_loss, validation, sample)


def first_model(recipe: Recipe, config: "ModelConfig", dataset: "Dataset") -> "Model":
    """The model at step 0: the base's weights, or weights drawn by the seed."""
    from hornbook.randomness import torch_generator

    if recipe.base:
        return recipe.base.model(config, dataset.tokenizer)
    return recipe.model_class(config, torch_generator(recipe.training.seed, "weights"))


def _data(
    dataset: "Dataset", context_length: int, training: "Training"
) -> "tuple[Callable[[int], Sequence[Batch]], Callable[[], Iterator[Batch]]]":
    """(step -> its microbatches, the validation batches): both pure, so a resumed run reads what it would have read."""
    from hornbook.batches.order import batch_starts
    from hornbook.batches.windows import Microbatches, Windows

    if len(dataset.val) < 2:
        raise UserError("no text is kept for validation", hint="give more text, or a larger --data.val_fraction")
    rows = training.microbatch_size or training.batch_size
    train = Windows(dataset.train, context_length, name="the training part")
    held_out = Windows(dataset.val, context_length, padded=True, name="the validation part")
    num_tokens = len(dataset.train)

    def microbatches(step: int) -> "Sequence[Batch]":
        starts = batch_starts(
            step,
            seed=training.seed,
            batch_size=training.batch_size,
            num_tokens=num_tokens,
            context_length=context_length,
            moving=training.moving_windows,
        )
        return Microbatches(train, starts, rows)

    def validation() -> "Iterator[Batch]":
        every = max(1, round(1 / training.evaluate_fraction))  # a share is every so-manieth batch: always the same ones
        for number, batch in enumerate(held_out.every_batch(rows)):
            if number % every == 0:
                yield batch

    return microbatches, validation


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
