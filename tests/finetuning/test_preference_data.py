"""Pairs of answers as they are published: three formats, what teaches nothing, what is too long, and no leaks."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hornbook.chat_template import ChatTemplate, named_template
from hornbook.errors import UserError
from hornbook.finetuning.preference_data import (
    Preference,
    make_pairs,
    preference_pair,
    read_preferences,
    sift,
    split_preferences,
)
from hornbook.finetuning.rows import Row
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.character import Character

LETTERS = Character.train(["abcdefgh:; "], special_tokens=["<|endoftext|>"])
# a colon before each message, the end behind each answer
PLAIN = ChatTemplate(
    "{% for message in messages %}{{ ':' + message.content }}{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}:{% endif %}"
)


def write(path: Path, entries: Sequence[Any]) -> Path:
    path.write_text("\n".join(json.dumps(entry) for entry in entries))
    return path


def turns(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]


def simple(prompt: str, chosen: str, rejected: str, place: str = "") -> Preference:
    return Preference(tuple(turns(prompt)), chosen, rejected, place)


def shown(row: Row) -> tuple[str, str]:
    """What is read and what is learned of a row."""
    learned = [token for token in row.targets if token != -100]
    return tuple(LETTERS.decode(tokens).replace("<|endoftext|>", ";") for tokens in (row.inputs, learned))  # type: ignore


@pytest.mark.parametrize(
    "entry",
    [
        {"instruction": "a b", "input": "c", "chosen": "d", "rejected": "e", "output": "not read"},
        {"prompt": "a b / c", "chosen": "d", "rejected": "e"},
        {"prompt": turns("a b / c"), "chosen": turns("", "d")[1:], "rejected": turns("", "e")[1:]},
        {"prompt": "its text again", "chosen": turns("a b / c", "d"), "rejected": turns("a b / c", "e")},
        {"chosen": turns("a b / c", "d"), "rejected": turns("a b / c", "e"), "score_chosen": 8.5},
    ],
)
def test_all_formats_say_the_same(tmp_path: Path, entry: dict[str, Any]) -> None:
    [found] = read_preferences(write(tmp_path / "a.jsonl", [entry]), input_heading=" / ")
    assert (found.prompt, found.chosen, found.rejected) == (tuple(turns("a b / c")), "d", "e")
    assert found.place.endswith("a.jsonl' line 1")


GOOD = {"prompt": "a", "chosen": "b", "rejected": "c"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"prompt": "a", "chosen": " ", "rejected": "c"}, "line 2: the field 'chosen' is empty"),
        ({"prompt": "a", "chosen": "b"}, "line 2 has no field 'rejected'"),
        ({"question": "a", "chosen": "b", "rejected": "c"}, "line 2 has no prompt beside its answers"),
        (
            {"instruction": "a", "chosen": "b", "rejected": "c"},
            "is in the format 'instruction', but the file began with",
        ),
        ({"prompt": "a", "chosen": "b", "rejected": ["c"]}, "line 2: the field 'rejected' is not text"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_preferences(write(tmp_path / "a.jsonl", [GOOD, entry]))


@pytest.mark.parametrize(
    ("chosen", "rejected", "message"),
    [
        (turns("a", "b"), turns("c", "d"), "differ before their last answers"),
        (turns("a", "b"), turns("a", "b", "c"), "must end with the assistant's answer"),
        (turns("a", "b"), "d", "'rejected' is not a list of messages"),
        (turns("a", "b"), turns("a"), "has no answer of the assistant"),
        (turns("", "b")[1:], turns("", "d")[1:], "message 1: an answer before any question"),
        ([{"role": "robot", "content": "b"}], turns("a", "d"), "unknown role 'robot'"),
    ],
)
def test_wrong_messages_are_named(tmp_path: Path, chosen: Any, rejected: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"line 1.*{message}"):
        read_preferences(write(tmp_path / "a.jsonl", [{"chosen": chosen, "rejected": rejected}]))


def test_only_the_last_answer_and_its_end_count() -> None:
    pair = preference_pair(Preference(tuple(turns("aa", "b", "cc")), "d", "ee"), PLAIN, LETTERS)
    assert shown(pair.chosen) == (":aa:b;:cc:d", "d;")
    assert shown(pair.rejected) == (":aa:b;:cc:ee", "ee;")
    assert pair.reference_margin is None


def test_of_the_published_pairs_all_is_read(shared_data: Callable[[str], Path], gpt2: Tokenizer) -> None:
    found = read_preferences(shared_data("preference-data.json"), "\n\n### Input:\n")
    sifted = sift(found)
    assert [len(found), len(sifted.ties), len(sifted.kept)] == [1100, 6, 1094 - len(sifted.twins)]
    assert not sifted.contradictions
    pair = preference_pair(found[0], named_template("alpaca"), gpt2)
    for row, answer in ((pair.chosen, found[0].chosen), (pair.rejected, found[0].rejected)):
        assert gpt2.decode(token for token in row.targets if token != -100) == answer + "<|endoftext|>"


def test_what_teaches_nothing_is_left_out_and_named() -> None:
    found = [simple("a", "b", "c", "1"), simple("a", "d", "d", "2"), simple("e", "b", "c", "3"), simple("a", "b", "c", "4"),
             simple("e", "c", "b", "5"), simple("a", "c", "d", "6")]  # fmt: skip
    sifted = sift(found)
    assert [each.place for each in sifted.kept] == ["1", "6"]
    assert sifted.ties == ["2"]
    assert sifted.twins == [("4", "1")]
    assert sifted.contradictions == [("5", "3")]


LONG = Preference(tuple(turns("aa", "b", "cc")), "d", "eeee", "'a' line 7")


def test_the_oldest_turns_of_long_pairs_are_cut_in_both() -> None:
    made = make_pairs([LONG, simple("a", "b", "c")], PLAIN, LETTERS, max_length=13)
    assert shown(made.pairs[0].chosen)[0] == ":cc:d"
    assert shown(made.pairs[0].rejected)[0] == ":cc:eeee"
    assert (made.num_cut, made.dropped, len(made.pairs)) == (1, [], 2)
    assert made.preferences[0].prompt == tuple(turns("cc"))
    assert make_pairs([LONG], PLAIN, LETTERS, max_length=14).num_cut == 0


def test_or_dropped_or_refused() -> None:
    made = make_pairs([LONG, simple("a", "b", "c")], PLAIN, LETTERS, 13, "drop")
    assert (made.num_cut, made.dropped, len(made.pairs)) == (0, ["'a' line 7"], 1)
    with pytest.raises(
        UserError, match="'a' line 7: 14 tokens are more than max_length 13; hint: --finetune.too_long drop"
    ):
        make_pairs([LONG], PLAIN, LETTERS, 13, "refuse")
    with pytest.raises(UserError, match="'a' line 7: 14 tokens are more than max_length 7"):
        make_pairs([LONG], PLAIN, LETTERS, 7, "cut")  # its last question and answer alone are 8
    with pytest.raises(UserError, match="all 1 pairs are longer than max_length 13"):
        make_pairs([LONG], PLAIN, LETTERS, 13, "drop")


def test_a_prompt_is_in_one_part_only() -> None:
    found = [simple(f"a{number % 40}", "b", f"c{number}") for number in range(100)]
    held_out, test, learned = split_preferences(found, (0.1, 0.2), seed=3)
    assert sorted(held_out + test + learned) == list(range(100))
    assert (10 <= len(held_out) <= 12, 20 <= len(test) <= 22) == (True, True)
    asked = [{found[place].prompt_text for place in part} for part in (held_out, test, learned)]
    assert not asked[0] & asked[1] | asked[0] & asked[2] | asked[1] & asked[2]
    assert split_preferences(found, (0.1, 0.2), seed=3) == [held_out, test, learned]
    assert split_preferences(found, (0.1, 0.2), seed=4) != [held_out, test, learned]
    with pytest.raises(UserError, match="5 pairs of 5 prompts are too few to learn from, hold out and test"):
        split_preferences(found[:5], (0.1, 0.1), seed=3)
