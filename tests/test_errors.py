"""A user's mistake is one line."""

import pytest

from hornbook.errors import LISTED_CHOICES, UserError, nearest, unknown


def test_one_line_whatever_the_value_holds() -> None:
    assert (
        str(UserError("no such file 'a\nb'", choices=["x", "y"], hint="z"))
        == "no such file 'a b' (choices: x, y); hint: z"
    )


def test_nearest() -> None:
    assert nearest("shakespear", ["shakespeare-char", "village"]) == "shakespeare-char"
    assert nearest("zzz", ["village"]) is None
    assert "did you mean 'village'?" in str(unknown("corpus", "vilage", ["village", "verdict"]))


@pytest.mark.parametrize("name", ["lettres", "zzz", ""])
def test_of_many_choices_the_nearest_few_are_named(name: str) -> None:
    many = [f"{word}-{number}" for word in ("letters", "words") for number in range(LISTED_CHOICES)]
    line = str(unknown("rule", name, many, "hornbook rules lists them all"))
    assert line.startswith(f"unknown rule '{name}' (choices: ")
    assert f" and {2 * LISTED_CHOICES - 3} more); hint: " in line
    assert line.endswith("hornbook rules lists them all")
    assert len(line) < 160
    if name == "lettres":
        assert line.count("letters-") == 4  # three choices and the hint
        assert "words" not in line


def test_few_choices_are_all_named() -> None:
    few = [f"rule-{number}" for number in range(LISTED_CHOICES)]
    assert f"(choices: {', '.join(few)})" in str(unknown("rule", "x", few, "hornbook rules lists them all"))


def test_a_section_that_all_share_makes_nothing_near() -> None:
    settings = ["model.dropout", "model.kind", "model.num_layers"]
    assert nearest("model.foo", settings) is None
    assert nearest("model.num_layer", settings) == "model.num_layers"
