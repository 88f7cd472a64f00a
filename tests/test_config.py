"""Settings: layers win in order, and each mistake is one line with its mend."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from hornbook.config import Settings, build, environment_layer, flag_layer, merge, read_toml, to_toml, value_of
from hornbook.errors import UserError


class Example(Settings):
    """A section."""

    steps: int = Field(default=10, ge=1)
    name: str | None = None


SECTIONS = ("training", "model")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 3}, "unknown setting 'training.step' .*training.steps.*hint: did you mean 'training.steps'"),
        ({"steps": 0}, "training.steps = 0 is not allowed: .*greater than or equal to 1"),
        ({"steps": "many"}, "training.steps = 'many' is not allowed"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        build(Example, values, "training")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["--trainin.steps", "3"], "unknown section 'trainin' .*did you mean 'training'"),
        (["--training.steps"], "'--training.steps' has no value"),
        (["steps=3"], "unknown argument 'steps'"),
        (["--steps", "3"], "unknown argument '--steps'"),
    ],
)
def test_a_wrong_flag_is_one_line(tokens: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        flag_layer(tokens, SECTIONS)


@pytest.mark.parametrize("text", ["[training", "steps = 3", "\xff"])
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="a.toml"):
        read_toml(tmp_path / "a.toml")
    with pytest.raises(UserError, match="no such file"):
        read_toml(tmp_path / "none.toml")


def test_layers_win_in_order() -> None:
    environment = {
        "HORNBOOK_TRAINING_STEPS": "5",
        "HORNBOOK_HOME": "/x",
        "HORNBOOK_MODEL_NUM_LAYERS": "2",
        "STEPS": "9",
    }
    below = environment_layer(SECTIONS, environment)
    assert below == {"training": {"steps": 5}, "model": {"num_layers": 2}}
    above = flag_layer(["--training.steps=7", "--model.qk-norm", "true"], SECTIONS)
    assert merge(below, above) == {"training": {"steps": 7}, "model": {"num_layers": 2, "qk_norm": True}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HORNBOOK_TRANING_STEPS", "did you mean 'HORNBOOK_TRAINING_STEPS'?"),
        ("HORNBOOK_MODLE_NUM_LAYERS", "did you mean 'HORNBOOK_MODEL_NUM_LAYERS'?"),
        ("HORNBOOK_HOM", "did you mean 'HORNBOOK_HOME'?"),
        ("HORNBOOK_TRAINING", "HORNBOOK_TRAINING_..., HORNBOOK_MODEL_...); hint: unset it"),
        ("HORNBOOK_XYZZY", "hint: unset it"),
    ],
)
def test_a_variable_that_would_be_ignored_is_an_error(name: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        environment_layer(SECTIONS, {"HORNBOOK_TRAINING_STEPS": "5", name: "5"})
    line = str(caught.value)
    assert line.startswith(f"unknown environment variable '{name}'")
    assert message in line


def test_variables_of_others_are_none_of_ours() -> None:
    assert environment_layer(SECTIONS, {"HOME": "/x", "HORNBOOK_HOME": "/y", "MYHORNBOOK_TRAINING_STEPS": "5"}) == {}


def test_values() -> None:
    values = ["4", "1e-3", "true", "none", "gpt", "[1, 2]", "a b", '"4"']
    assert [value_of(text) for text in values] == [4, 1e-3, True, "none", "gpt", [1, 2], "a b", "4"]


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")).filter(lambda text: text != "none")
)
values = plain | st.lists(plain.filter(lambda value: value is not None))


@given(st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), values))
def test_what_is_written_reads_back(keys: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.toml"
        path.write_text(to_toml({"section": keys}), encoding="utf-8", newline="")
        assert read_toml(path)["section"] == {key: "none" if value is None else value for key, value in keys.items()}


def test_none_is_none_where_a_setting_may_be_none_and_a_name_elsewhere() -> None:
    class Mixed(Settings):
        clip: float | None = 1.0
        clean: str = "standard"

    built = build(Mixed, {"clip": "none", "clean": "none"}, "mixed")
    assert (built.clip, built.clean) == (None, "none")
