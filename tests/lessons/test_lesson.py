"""What the lessons share: a wrong number stops a lesson, and an absent text is replaced and said to be."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

LESSONS = Path(__file__).parents[2] / "lessons"


@pytest.fixture
def lesson(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(LESSONS))
    monkeypatch.setenv("HORNBOOK_SHARED_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path / "home"))
    (tmp_path / "reference-numbers.json").write_text('[{"id": "aa-01", "expected": {"loss": 0.5, "ids": [1, 2]}}]')
    import lesson

    yield lesson
    del sys.modules["lesson"]


def test_number_accepts_what_is_right(lesson: ModuleType) -> None:
    lesson.number("aa-01", torch.tensor(0.50001), 0.5)
    lesson.number("aa-01", (1, 2), [1, 2])
    lesson.number("aa-01", {"ids": torch.tensor([1, 2])}, {"ids": [1, 2]})


@pytest.mark.parametrize(
    ("value", "expected", "message"),
    [
        (0.51, 0.5, "0.51 is not 0.5"),
        ([1, 2, 3], [1, 2], "is not"),
        ({"ids": [1]}, {"other": [1]}, "is not"),
        (0.7, 0.7, "the list has no 0.7"),
        ([2, 1], [2, 1], "the list has no"),
        ({"loss": 0.6}, {"loss": 0.6}, "the list has no"),
    ],
)
def test_number_stops_at_what_is_wrong(lesson: ModuleType, value: object, expected: object, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        lesson.number("aa-01", value, expected)


def test_a_stand_in_is_said_and_its_numbers_are_left_out(
    lesson: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    text = lesson.get_text("verdict")
    assert text == lesson.village_text()
    assert "hornbook fetch verdict" in capsys.readouterr().out
    lesson.number("aa-01", len(text), 0.5, needs="verdict")
    with pytest.raises(AssertionError):
        lesson.number("aa-01", len(text), 0.5)


def test_texts_of_the_shared_folder_are_found(lesson: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "the-verdict.txt").write_text("\ufeffOnce.", encoding="utf-8")
    assert lesson.get_text("verdict") == "Once."
    assert not lesson.missing


def test_show_names_the_picture_in_a_script(lesson: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    lesson.show("path", "what it shows")
    assert capsys.readouterr().out == f"[picture {Path('runs/lessons/path.png')}: what it shows]\n"
