"""The smaller pictures: gradients, functions, parts of a model, rows of tokens."""

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.pictures.function_curves import function_curves
from hornbook.pictures.gradient_bars import gradient_bars
from hornbook.pictures.model_parts import parameter_bars
from hornbook.pictures.token_pictures import token_rows


def test_what_can_not_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="0 networks"):
        gradient_bars({}, tmp_path / "a")
    with pytest.raises(UserError, match="a gradient of 0"):
        gradient_bars({"a": [1.0, 0.0]}, tmp_path / "a")
    with pytest.raises(UserError, match="a gradient of 0"):
        gradient_bars({"a": [1.0, float("nan")]}, tmp_path / "a")
    with pytest.raises(UserError, match="7 curves"):
        function_curves({str(n): ([0, 1], [0, 1]) for n in range(7)}, tmp_path / "a")
    with pytest.raises(UserError, match="without parameters"):
        parameter_bars({}, tmp_path / "a")
    with pytest.raises(UserError, match="0 tokens"):
        token_rows({"a": ([], [])}, tmp_path / "a")
    with pytest.raises(UserError, match="402 tokens"):
        token_rows({"a": (["x"] * 201, []), "b": (["x"] * 201, [])}, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("words_in_svg")
def test_gradients_are_named_on_a_scale_of_plain_numbers(tmp_path: Path) -> None:
    _, svg = gradient_bars({"without": [1e-6, 1e-3], "with": [1.0, 2.0]}, tmp_path / "a", title="Gradients")
    drawn = svg.read_text()
    for words in (">without<", ">with<", "Gradients", "log scale", ">0.01<", ">layer (1 is next to the input)<"):
        assert words in drawn
    assert "mathdefault" not in drawn


@pytest.mark.usefixtures("words_in_svg")
def test_curves_are_named(tmp_path: Path) -> None:
    curves = {"relu": ([-1.0, 0.0, 1.0], [0.0, 0.0, 1.0]), "line": ([-1.0, 1.0], [-1.0, 1.0])}
    _, svg = function_curves(curves, tmp_path / "a", title="Two", xlabel="in", ylabel="out")
    for words in (">relu<", ">line<", ">Two<", ">in<", ">out<"):
        assert words in svg.read_text()


@pytest.mark.usefixtures("words_in_svg")
def test_parts_have_their_numbers_and_shares(tmp_path: Path) -> None:
    _, svg = parameter_bars({"attention": 3_000_000, "norms": 100}, tmp_path / "a")
    for words in ("3,000,000  (100.0%)", "100  (&lt;0.1%)", "parameters (of 3,000,100)"):
        assert words in svg.read_text()


@pytest.mark.usefixtures("words_in_svg")
def test_rows_of_tokens_count_the_texts_own_characters(tmp_path: Path) -> None:
    _, svg = token_rows({"words": (["a", "b"], [7, 8]), "letters": (list("a b"), [])}, tmp_path / "a", characters=3)
    drawn = svg.read_text()
    for words in (">words<", ">letters<", "2 tokens for 3 characters: 1.50", "3 tokens for 3 characters: 1.00", ">8<"):
        assert words in drawn
