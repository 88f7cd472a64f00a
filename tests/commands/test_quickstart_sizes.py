"""The sizes of a quickstart: each follows from the text and from how often it will be read."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.commands import _quickstart_sizes as sizes
from hornbook.commands._parts import build_parts
from hornbook.commands._recipe import check_recipe
from hornbook.training.measure import mean_loss
from hornbook.training.schedule import Schedule
from hornbook.training.update import update


def dataset(num_tokens: int, vocab_size: int) -> Any:
    """As much of a dataset as the sizes look at."""
    return SimpleNamespace(train=range(num_tokens), vocab_size=vocab_size)


VILLAGE = (1_276_181, 2048)
SMALL = (8_294, 512)


@pytest.mark.parametrize(
    ("characters", "size"),
    [(1, 1024), (20_479, 1024), (397_796, 1024), (1_115_388, 1024), (5_500_377, 2048), (10**9, 4096)],
)
def test_the_vocabulary_grows_with_the_root_of_the_text(characters: int, size: int) -> None:
    assert sizes.vocabulary_for(characters) == size


@pytest.mark.parametrize(("steps", "rate"), [(10, 0.3), (40, 0.3), (80, 0.3), (90, 0.26)])
def test_a_long_text_that_is_not_read_to_its_end_takes_the_high_rate(steps: int, rate: float) -> None:
    assert sizes.bigram_rate(dataset(*VILLAGE), steps) == pytest.approx(rate, abs=0.01)


@pytest.mark.parametrize("steps", [120, 240, 1000])
def test_a_short_text_bounds_how_far_a_logit_goes(steps: int) -> None:
    """However long the run: ln of the examples a row has, and hardly more."""
    text = dataset(*SMALL)
    travelled = sizes.bigram_rate(text, steps) * sizes.MEAN_FACTOR * steps
    assert math.log(SMALL[0] / SMALL[1]) < travelled < 1.02 * math.log(SMALL[0] / SMALL[1])


def test_the_mean_factor_is_that_of_the_schedule() -> None:
    schedule = Schedule(**sizes.bigram_layer(dataset(*SMALL), 100)["schedule"])
    mean = sum(schedule.factor(step, 1000) for step in range(1000)) / 1000
    assert mean == pytest.approx(sizes.MEAN_FACTOR, abs=0.01)


@pytest.mark.parametrize(("num_tokens", "dropout"), [(1_276_181, 0.0), (383_236, 0.0), (155_036, 0.1), (8_294, 0.1)])
def test_dropout_where_the_text_is_read_again_and_again(num_tokens: int, dropout: float) -> None:
    assert sizes.gpt_layer(dataset(num_tokens, 512), 300)["model"]["dropout"] == dropout


def test_the_bigram_of_a_short_text_is_not_learned_by_heart(tale: Path, tmp_path: Path) -> None:
    """Its loss on what it has not seen ends lower than with the rate for long texts."""
    text = prepare([tale], PrepareSettings(vocab_size=512), tmp_path / "data")
    steps = 60
    layer = sizes.bigram_layer(text, steps)
    layer["training"] |= {"steps": steps, "batch_size": 8}
    high = layer | {"optimizer": layer["optimizer"] | {"learning_rate": sizes.HIGHEST_BIGRAM_RATE}}
    losses = []
    for settings in (layer, high):
        recipe = check_recipe(settings)
        parts = build_parts(recipe, text, "cpu")
        for step in range(steps):
            update(parts, recipe.training, recipe.schedule, step)
        losses.append(mean_loss(parts.model, parts.validation(), parts.loss))
    assert losses[0] < losses[1] - 0.1
    assert losses[0] < math.log(text.vocab_size) - 1
