"""The packaged recipes: every one can be read, and those that repeat a source have its choices."""

from typing import Any

import pytest

from hornbook.commands._recipe import Recipe, check_recipe, packaged_recipes, read_recipe

MEDITATIONS = [f"meditations-{model}-{unit}" for model in ("bigram", "gpt") for unit in ("letters", "words")]


def checked(name: str) -> tuple[Recipe, Any]:
    """A recipe, typed and checked, and its model's config for a vocabulary of 9."""
    recipe = check_recipe(read_recipe(name))
    return recipe, recipe.model_class.config_class(vocab_size=9, **recipe.model)


@pytest.mark.parametrize("name", packaged_recipes())
def test_every_recipe_can_be_read(name: str) -> None:
    recipe, config = checked(name)
    assert recipe.source
    assert config.context_length > 1
    assert recipe.prompts  # so that a sample is written at each evaluation


@pytest.mark.parametrize("name", MEDITATIONS)
def test_the_diploma_projects_split_and_units(name: str) -> None:
    recipe, _ = checked(name)
    assert recipe.source == ("meditations",)
    assert recipe.data.val_fraction == 0.2
    units = {"letters": ("character", "letters"), "words": ("word", "words")}
    assert (recipe.data.tokenizer, recipe.data.clean) == units[name.rpartition("-")[2]]


@pytest.mark.parametrize("name", MEDITATIONS[2:])
def test_the_diploma_projects_gpt(name: str) -> None:
    _, config = checked(name)
    assert (config.num_layers, config.num_heads, config.dropout, config.activation) == (6, 6, 0.2, "relu")
    assert config.hidden_dim == 4 * config.embed_dim


def test_the_notebooks_model() -> None:
    for name in ("notebook", "notebook-cl100k", "notebook-pairs"):
        recipe, config = checked(name)
        assert (config.positions, config.activation, type(recipe.optimizer).__name__) == ("sinusoidal", "relu", "AdamW")


def test_the_books_pretraining() -> None:
    recipe, config = checked("verdict-book")
    assert (config.num_layers, config.num_heads, config.embed_dim, config.context_length) == (12, 12, 768, 256)
    assert (recipe.optimizer.learning_rate, recipe.optimizer.weight_decay) == (4e-4, 0.1)
    assert recipe.training.steps == 10 * 18 // recipe.training.batch_size  # 18 windows, ten epochs


def test_adamw_is_the_optimizer_unless_another_is_named() -> None:
    assert type(check_recipe({}).optimizer).__name__ == "AdamW"
    assert type(check_recipe({"optimizer": {"kind": "muon"}}).optimizer).__name__ == "Muon"
