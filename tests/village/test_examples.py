"""Examples to fine-tune on: what they teach is true, false answers are false, and no part shares anything with another."""

import json
import re
from collections import Counter

import pytest

from hornbook.village.asking import Question
from hornbook.village.casting import PARTS, held_out
from hornbook.village.examples import (
    WANTED,
    conversation,
    false_answers,
    first_message,
    looking_up,
    preference,
    sought,
    told_first,
    wanted,
)
from hornbook.village.roll import roll

MANY = 30


@pytest.mark.parametrize("part", PARTS)
def test_examples_are_the_same_again_and_differ_from_each_other(part: str) -> None:
    for make in (conversation, looking_up, preference):
        found = [json.dumps(make(1, part, index)) for index in range(20)]
        assert found == [json.dumps(make(1, part, index)) for index in range(20)]
        assert len(set(found)) == 20
        assert found[0] != json.dumps(make(2, part, 0))


def test_every_answer_of_a_conversation_is_the_worlds() -> None:
    for index in range(MANY):
        told, _ = told_first(1, "train", index)
        messages = conversation(1, "train", index)["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"] * len(told.questions)
        story, gap, first = messages[0]["content"].rpartition("\n\n")
        assert (story, gap) == (told.text, "\n\n")
        asked = [first, *(message["content"] for message in messages[2::2])]
        answers = [message["content"] for message in messages[1::2]]
        assert sorted(zip(asked, answers, strict=True)) == sorted((each.text, each.answer) for each in told.questions)


def test_every_fifth_conversation_is_about_facts_alone() -> None:
    assert [told_first(1, "train", index)[0].shape == "roll" for index in range(10)] == [True, *[False] * 4] * 2


def test_facts_alone_say_the_answer_once_and_nowhere_repeat_the_question() -> None:
    for index in range(MANY):
        told = roll(1, "train", index)
        lines = told.text.removesuffix(".").split(". ")[1:]  # behind the opening
        assert len(lines) == len(told.questions) == len({question.text for question in told.questions})
        for question in told.questions:
            assert question.text not in told.text
            asked = question.text.removesuffix("?").removeprefix("Where is ").removeprefix("Who has ")
            if question.kind == "where":
                assert [
                    line.endswith(question.answer) for line in lines if line.lower().startswith(f"{asked.lower()} is")
                ] == [True]
            elif question.kind == "who_has":
                assert [line for line in lines if line.endswith(asked)] == [f"{question.answer} has {asked}"]
            else:
                _, _, goods, _, who, _ = asked.split()
                said = [line for line in lines if re.fullmatch(rf"{who} has \w+ {goods[:3]}\w+", line)]
                assert [line.split()[2] for line in said] == [question.answer]


def test_of_every_roll_one_kind_of_fact_has_four_to_choose_from() -> None:
    """With fewer, naming any of them is right too often to look for the one that is asked for."""
    most = [Counter(question.kind for question in roll(1, "train", index).questions) for index in range(10 * MANY)]
    assert all(max(counts.values()) >= 4 for counts in most)
    assert {counts.most_common(1)[0][0] for counts in most} == {"where", "who_has", "how_many"}


def test_every_kind_comes_up_where_it_is_wanted() -> None:
    missed = 0
    for index in range(MANY):
        told, _ = sought(1, "train", index)
        missed += wanted(index) not in {question.kind for question in told.questions}
    assert missed <= 2
    assert {wanted(index) for index in range(len(WANTED))} == set(WANTED)


def test_a_pair_is_a_true_answer_and_a_false_one_of_the_same_form() -> None:
    for index in range(MANY):
        told, _ = sought(1, "train", index)
        pair = preference(1, "train", index)
        [question] = [each for each in told.questions if first_message(told, each) == pair["instruction"]]
        assert pair["chosen"] == question.answer
        assert pair["rejected"] != question.answer
        assert pair["rejected"].split()[0] in ("the", "because") or len(pair["rejected"].split()) == 1
        assert (pair["rejected"].split()[0] == "because") == (question.kind == "why")
        assert pair["rejected"].startswith("the ") == pair["chosen"].startswith("the ")


def test_false_answers_come_from_the_story_where_it_has_some() -> None:
    story = "Nora gave the kite to Tom at the mill. Ivy was in the barn. Nora was glad because it was warm."
    assert false_answers(story, Question("Who has the kite?", "Tom", "who_has")) == ["Nora", "Ivy"]
    assert false_answers(story, Question("Where is Ivy?", "the barn", "where")) == ["the mill"]
    assert false_answers(story, Question("How many eggs has Ivy?", "two", "how_many")) == ["one", "three", "four"]
    assert "because it was warm" not in false_answers(story, Question("Why?", "because it was warm", "why"))
    assert false_answers(story, Question("Why?", "because it was late", "why")) == ["because it was warm"]
    assert false_answers("Nobody came.", Question("Who has the kite?", "Tom", "who_has")) == []


def test_no_example_for_training_brings_a_test_combination_together() -> None:
    forbidden = {(row[0].name, row[1].noun, row[2].noun) for part in ("val", "test") for row in held_out(part)}
    for index in range(MANY):
        for text in (str(make(1, "train", index)) for make in (conversation, looking_up, preference)):
            words = set(re.findall(r"\w+", text))
            assert not any(words.issuperset(row) for row in forbidden)
