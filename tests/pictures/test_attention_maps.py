"""Attention maps: what is labelled, what is left out, what is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest

from hornbook.errors import UserError
from hornbook.pictures.attention_maps import attention_maps


def causal(heads: int, length: int) -> np.ndarray:
    """Every token looks at all it may see, equally."""
    return np.stack([np.tril(np.ones((length, length))) / np.arange(1, length + 1)[:, None]] * heads)


@pytest.mark.parametrize("layers", [[], [causal(21, 3)] * 20])
def test_none_or_too_many_maps_are_an_error(tmp_path: Path, layers: list[np.ndarray]) -> None:
    with pytest.raises(UserError, match="attention maps can't be drawn legibly"):
        attention_maps(layers, ["a"] * 3, tmp_path / "a")


@pytest.mark.usefixtures("words_in_svg")
def test_layers_heads_and_tokens_are_named(tmp_path: Path) -> None:
    tokens = ["Nora", " has", "a" * 20]
    _, svg = attention_maps([causal(2, 3), causal(2, 3)], tokens, tmp_path / "a", title="A $5 map")
    drawn = svg.read_text()
    for words in ("layer 1", "layer 2", "head 1", "head 2", "Nora", "·has", "a" * 11 + "…", "A $5 map", "the future"):
        assert words in drawn


@pytest.mark.usefixtures("words_in_svg")
def test_one_small_map_has_its_numbers(tmp_path: Path) -> None:
    _, svg = attention_maps(
        [causal(1, 4)], list("abcd"), tmp_path / "a", layer_names=["layer 7"], head_names=["head 3"]
    )
    drawn = svg.read_text()
    assert [drawn.count(f">{number}<") for number in ("0.33", "layer 7", "head 3")] == [3, 1, 1]
    _, many = attention_maps([causal(1, 20)], list("abcdefghijklmnopqrst"), tmp_path / "b")
    assert ">0.33<" not in many.read_text()


@pytest.mark.usefixtures("words_in_svg")
def test_maps_that_are_small_have_no_names_of_tokens(tmp_path: Path) -> None:
    png, svg = attention_maps([causal(12, 20)], ["fox"] * 20, tmp_path / "a")
    assert "fox" not in svg.read_text()
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    assert width < 15 * 150
    assert height < 3 * 150
