"""A recipe's model before there is a run: how many tokens its vocabulary has, its config, its shapes."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hornbook.commands._recipe import Recipe

if TYPE_CHECKING:
    from hornbook.models.base import Model, ModelConfig


def config_of(recipe: Recipe, vocab_size: int) -> "ModelConfig":
    """The model's settings with the size of the vocabulary."""
    return recipe.config(vocab_size)


def shapes_of(recipe: Recipe, vocab_size: int) -> "Model":
    """The recipe's model on the meta device: shapes without numbers."""
    import torch

    with torch.device("meta"):
        return recipe.model_class(config_of(recipe, vocab_size))


def settled(recipe: Recipe, vocab_size: int, bf16_unit: bool) -> Recipe:
    """The recipe with `training.precision = "auto"` decided for its model, on devices with or without a unit for bf16."""
    if recipe.training.precision != "auto":
        return recipe
    parameters = shapes_of(recipe, vocab_size).num_parameters() if bf16_unit else 0  # counting may take seconds
    return replace(recipe, training=recipe.training.settled(parameters, bf16_unit))


def vocabulary_of(recipe: Recipe) -> int:
    """How many tokens the recipe's tokenizer has; a vocabulary that is learned from the text is learned here too."""
    from hornbook.batches.encoding import ready_tokenizer
    from hornbook.batches.prepare import open_dataset, prepare
    from hornbook.commands.base import talk
    from hornbook.errors import UserError
    from hornbook.tokenizers.bpe import DEFAULT_VOCAB_SIZE

    if recipe.folder:
        return open_dataset(recipe.folder).vocab_size
    if (ready := ready_tokenizer(recipe.data)) is not None:
        return ready.vocab_size
    if recipe.data.tokenizer == "bpe":
        return int(recipe.data.vocab_size or DEFAULT_VOCAB_SIZE)
    talk("the vocabulary follows from the text: reading it")
    with TemporaryDirectory() as folder:
        try:
            return prepare(recipe.source, recipe.data, Path(folder) / "data").vocab_size
        except UserError as error:
            raise UserError(
                f"this recipe learns its vocabulary from its text (or give --vocab-size): {error}"
            ) from None
