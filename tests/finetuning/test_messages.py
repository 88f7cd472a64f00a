"""Conversations from files: three formats give the same, every mistake is named with its line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.finetuning.messages import read_conversations

Shared = Callable[[str], Path]

QUESTION = {"role": "user", "content": "Where?"}
ANSWER = {"role": "assistant", "content": "Here."}
OTHER = {"role": "user", "content": "And now?"}


def write(path: Path, entries: list[Any]) -> Path:
    """A file of entries: one list, or one a line."""
    lines = [json.dumps(entry) for entry in entries]
    path.write_text("\n".join(lines) if path.suffix == ".jsonl" else json.dumps(entries, indent=1))
    return path


def sharegpt(*turns: dict[str, str]) -> dict[str, Any]:
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    return {"conversations": [{"from": names[turn["role"]], "value": turn["content"]} for turn in turns]}


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "entry",
    [
        {"system": "Be brief.", "instruction": "Where?", "output": "Here."},
        {"messages": [{"role": "system", "content": "Be brief."}, QUESTION, ANSWER]},
        sharegpt({"role": "system", "content": "Be brief."}, QUESTION, ANSWER),
        {"system": "Be brief.", **sharegpt(QUESTION, ANSWER)},
        {"conversations": [{"role": "system", "content": "Be brief."}, QUESTION, ANSWER]},
    ],
)
def test_every_format_gives_the_same_messages(tmp_path: Path, name: str, entry: dict[str, Any]) -> None:
    [found] = read_conversations(write(tmp_path / name, [entry]))
    assert found.messages == ({"role": "system", "content": "Be brief."}, QUESTION, ANSWER)
    assert found.prompt == found.messages[:2]
    assert (found.answer, found.unanswered) == ("Here.", 0)


def test_an_instruction_and_its_input_are_one_question(tmp_path: Path) -> None:
    entries = [{"instruction": "Spell.", "input": about, "output": "Cat."} for about in ("kat", "", " ")]
    found = read_conversations(write(tmp_path / "a.json", entries), "\n\n### Input:\n")
    assert [each.messages[0]["content"] for each in found] == ["Spell.\n\n### Input:\nkat", "Spell.", "Spell."]


def test_what_nobody_answered_is_left_out_and_counted(tmp_path: Path) -> None:
    entries = [{"messages": [QUESTION, ANSWER, OTHER]}, {"messages": [QUESTION, ANSWER, OTHER, ANSWER]}]
    first, second = read_conversations(write(tmp_path / "a.jsonl", entries))
    assert (first.messages, first.unanswered) == ((QUESTION, ANSWER), 1)
    assert (len(second.messages), second.unanswered) == (4, 0)


def test_the_published_instructions(shared_data: Shared) -> None:
    found = read_conversations(shared_data("instruction-data.json"))
    assert len(found) == 1100
    assert sum("\n\n" in each.messages[0]["content"] for each in found) == 325  # those with an input
    assert found[1].place.endswith("line 7 entry 2")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"text": "a"}, r"line 2 is in no format of conversations: its fields are 'text' \(choices: 'instruction' of"),
        ({"instruction": "a", "output": "b"}, "line 2 is in the format 'alpaca', but the file began with 'messages'"),
        (sharegpt(QUESTION, ANSWER), "line 2 is in the format 'sharegpt', but the file began with 'messages'"),
        ({"messages": "hello"}, "line 2: 'messages' is not a list of messages but 'hello'"),
        ({"messages": []}, r"line 2: 'messages' is not a list of messages but \[\]"),
        ({"messages": [QUESTION, "b"]}, "line 2 message 2 is not a JSON object but 'b'"),
        ({"messages": [{"content": "a"}, ANSWER]}, r"line 2 message 1 has no field 'role' \(choices: content\)"),
        ({"messages": [{"role": "tool", "content": "a"}, ANSWER]}, "line 2 message 1: unknown role 'tool' .*system"),
        ({"messages": [{"role": "user"}, ANSWER]}, "line 2 message 1 has no field 'content'"),
        (
            {"messages": [QUESTION, {"role": "assistant", "content": " "}]},
            "line 2 message 2: the field 'content' is em",
        ),
        (
            {"messages": [QUESTION, {"role": "assistant", "content": ["a"]}]},
            r"2: the field 'content' is not text but \[",
        ),
        ({"messages": [QUESTION, {"role": "assistant", "content": "\ud800"}]}, "line 2 message 2: half a character"),
        ({"messages": [QUESTION, {**ANSWER, "weight": 0}]}, "line 2 message 2 has the field 'weight', which is not"),
        (
            {"messages": [QUESTION, {**ANSWER, "tool_calls": [{"id": 1}]}]},
            "line 2 message 2 has the field 'tool_calls'",
        ),
        ({"messages": [QUESTION, ANSWER], "tools": [{}]}, "line 2 has the field 'tools'"),
        ({"messages": [QUESTION]}, "line 2 has no answer of the assistant, so nothing to learn"),
        ({"messages": [ANSWER, QUESTION, ANSWER]}, "line 2 message 1: an answer before any question"),
        ({"messages": [QUESTION, ANSWER, ANSWER]}, "line 2 message 3: two answers in a row"),
        (
            {"messages": [QUESTION, {"role": "system", "content": "a"}, ANSWER]},
            "message 2: 'system' stands only at the",
        ),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.jsonl", [{"messages": [QUESTION, {**ANSWER, "weight": 1}]}, entry])
    with pytest.raises(UserError, match=message):
        read_conversations(path)


def test_the_first_entry_must_be_in_a_format(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 1 is in no format of conversations: its fields are none"):
        read_conversations(write(tmp_path / "a.jsonl", [{}]))
    with pytest.raises(UserError, match=r"line 2 entry 1: the field 'output' is empty"):
        read_conversations(write(tmp_path / "a.json", [{"instruction": "a", "output": ""}]))
