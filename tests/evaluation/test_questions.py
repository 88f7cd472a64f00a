"""A user's own questions: three forms are read, and every mistake is named with its line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.evaluation._questions import (
    OpenQuestion,
    question_prompt,
    read_choice_questions,
    read_open_questions,
    repeated,
)

GOOD = {"question": "Who has the kite?", "choices": ["Tom", "Nora"], "answer": "Nora"}
Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """`written({...}, {...})` -> a .jsonl file of these entries."""

    def write(*entries: dict[str, Any]) -> Path:
        path = tmp_path / "own.jsonl"
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        return path

    return write


def test_choices_with_the_answer_as_text_or_number(written: Written) -> None:
    first, second = read_choice_questions(written(GOOD, {"prompt": "2 + 2 =", "choices": [" 4", " 5"], "answer": 0}))
    assert (first.choices, first.right) == (("Tom", "Nora"), 1)
    assert first.prompt.written == "Question: Who has the kite?\nAnswer:"
    assert first.prompt.gap == " "
    assert (second.prompt.said, second.prompt.written, second.prompt.gap, second.right) == ("2 + 2 =", "2 + 2 =", "", 0)


def test_a_context_stands_before_the_question(written: Written) -> None:
    [found] = read_open_questions(written({"context": "Tom ran.", "question": "Who?", "answers": ["Tom", "he"]}))
    assert found.prompt.said == "Tom ran.\n\nWho?"
    assert found.prompt.written == "Tom ran.\n\nQuestion: Who?\nAnswer:"
    assert found.answers == ("Tom", "he")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question": None}, "the field 'question' is not text but None"),
        ({"question": "  "}, "the field 'question' is empty"),
        ({"question": ...}, "has no field 'question' (choices: choices, answer); hint: a question is put by one of"),
        ({"choices": ...}, "has no field 'choices'"),
        ({"choices": "Tom"}, "the field 'choices' is not a list but 'Tom'"),
        ({"choices": ["Tom"]}, "the field 'choices' has 1 entries, but 2 are the least"),
        ({"choices": ["Tom", 3]}, "(choices): the field '2' is not text but 3"),
        ({"choices": ["Tom", ""]}, "(choices): the field '2' is empty"),
        ({"choices": ["Tom", "Tom"]}, "the choice 'Tom' stands twice"),
        ({"answer": ...}, "has no field 'answer'"),
        (
            {"answer": "Ben"},
            "the answer 'Ben' is not among the choices (choices: Tom, Nora); hint: an answer is the text",
        ),
        ({"answer": 2}, "the answer 2 is not among the choices"),
        ({"answer": -1}, "the answer -1 is not among the choices"),
        ({"answer": True}, "the answer True is not among the choices"),
    ],
)
def test_a_wrong_choice_question_is_named_with_its_line(
    written: Written, changes: dict[str, Any], message: str
) -> None:
    wrong = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    with pytest.raises(UserError) as error:
        read_choice_questions(written(GOOD, wrong))
    assert "own.jsonl' line 2" in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"question": "Who?"}, "line 1 has no field 'answer'"),
        ({"question": "Who?", "answer": ["Tom"]}, "line 1: the field 'answer' is not text but ['Tom']"),
        ({"question": "Who?", "answers": []}, "line 1: the field 'answers' has 0 entries, but 1 are the least"),
        ({"text": "Once"}, "line 1 has no field 'question'"),
    ],
)
def test_a_wrong_open_question_is_named_with_its_line(written: Written, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        read_open_questions(written(entry))
    assert message in str(error.value)


@pytest.mark.parametrize("read", [read_choice_questions, read_open_questions])
def test_an_empty_file_is_an_error(written: Written, read: Callable[[Path], Any]) -> None:
    with pytest.raises(UserError, match="has no entries"):
        read(written())


def test_questions_that_stand_twice_are_named() -> None:
    asked = [OpenQuestion(question_prompt(f"line {n}", text), ("a",)) for n, text in enumerate("abacaaa", 1)]
    assert repeated(asked[:2]) == []
    assert repeated(asked[:3]) == ["questions that stand more than once: 1 (line 3 repeats line 1)"]
    [line] = repeated(asked)
    assert "more than once: 4 (line 3 repeats line 1; line 5" in line
    assert line.endswith("and 1 more)")
    other = OpenQuestion(question_prompt("line 8", "a", "Another story."), ("a",))
    assert repeated([asked[0], other]) == []
