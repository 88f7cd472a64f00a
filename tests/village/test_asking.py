"""Questions and statements against stories played by hand: the answers here were worked out by reading."""

import random

import pytest

from hornbook.village.asking import Question, choose, facts
from hornbook.village.vocabulary import CHEERFUL, EGGS, FEELINGS, PEOPLE, PLACES, THINGS
from hornbook.village.world import (
    Arrive,
    Be,
    Feel,
    Find,
    Gain,
    Give,
    Go,
    Leave,
    Lend,
    Lie,
    Lose,
    Order,
    Own,
    Put,
    Share,
    Spend,
    World,
)

NAMES = {person.name: person for person in PEOPLE}
NORA, MIA, TOM, BEN = NAMES["Nora"], NAMES["Mia"], NAMES["Tom"], NAMES["Ben"]
MILL, BARN = PLACES[0], PLACES[1]
POND = next(place for place in PLACES if place.noun == "pond")
KITE, BALL = THINGS[0], THINGS[1]

# (events, what can be asked and its answer, what must not be asked)
BY_HAND = [
    (  # Nora had a kite, lost it by the pond, went to the mill; Tom found it and gave it back; she was glad
        [
            Own(NORA, KITE),
            Lose(NORA, KITE, POND),
            Go(NORA, MILL),
            Find(TOM, KITE, POND),
            Give(TOM, NORA, KITE),
            Feel(NORA, "glad", "the kite was back"),
        ],
        {
            "Who has the kite?": "Nora",
            "Who found the kite?": "Tom",
            "Who gave the kite to Nora?": "Tom",
            "What did Tom give to Nora?": "the kite",
            "Where is Nora?": "the mill",
            "Who is glad?": "Nora",
            "Why is Nora glad?": "because the kite was back",
        },
        ["Where is the kite?", "Where is Tom?"],
    ),
    (  # the ball is lent on and left behind; Ben, who was in the barn, goes home
        [
            Be(BEN, BARN),
            Own(BEN, BALL),
            Lend(BEN, MIA, BALL),
            Lend(MIA, TOM, BALL),
            Put(TOM, BALL, POND),
            Leave(BEN),
            Feel(BEN, "cross", "the ball was gone"),
            Feel(MIA, "sad", "it was her fault"),
            Feel(TOM, "sad", "it was his fault too"),
        ],
        {
            "Where is the ball?": "the pond",
            "Who lent the ball to Mia?": "Ben",
            "Who lent the ball to Tom?": "Mia",
            "Who is cross?": "Ben",
            "Why is Mia sad?": "because it was her fault",
        },
        ["Where is Ben?", "Who has the ball?", "Who is sad?", "Who gave the ball to Mia?"],
    ),
    (  # seven eggs, two broken, three shared; who came first
        [
            Gain(NORA, 7, EGGS),
            Spend(NORA, 2, EGGS),
            Share(NORA, TOM, 3, EGGS),
            Arrive((TOM, MIA, NORA), BARN),
            Order((MIA, TOM), "first to finish"),
        ],
        {
            "How many eggs does Nora have?": "two",
            "How many eggs does Tom have?": "three",
            "Who was first in the barn?": "Tom",
            "Who was first to finish?": "Mia",
            "Where is Mia?": "the barn",
        },
        ["How many eggs does Mia have?"],
    ),
    (  # the same hands twice: who gave the kite to Tom has no single answer any more
        [
            Own(NORA, KITE),
            Give(NORA, TOM, KITE),
            Give(TOM, MIA, KITE),
            Give(MIA, TOM, KITE),
            Lie(BALL, MILL),
        ],
        {"Who has the kite?": "Tom", "Who gave the kite to Mia?": "Tom", "Where is the ball?": "the mill"},
        ["Who gave the kite to Tom?"],
    ),
]


def world_of(events: list[object]) -> World:
    world = World()
    for event in events:
        world.apply(event)  # type: ignore[arg-type]
    return world


@pytest.mark.parametrize(("events", "answers", "silent"), BY_HAND)
def test_the_answers_are_those_found_by_reading(
    events: list[object], answers: dict[str, str], silent: list[str]
) -> None:
    asked = {fact.question.text: fact.question.answer for fact in facts(world_of(events))}
    assert answers.items() <= asked.items()
    assert not set(silent) & set(asked)


@pytest.mark.parametrize(("events", "answers", "silent"), BY_HAND)
def test_wrong_statements_differ_from_right_ones(events: list[object], answers: object, silent: object) -> None:
    known = list(facts(world_of(events)))
    right = {fact.right for fact in known}
    for fact in known:
        assert fact.wrong
        assert not right & set(fact.wrong)


def test_statements_are_balanced_and_true_ones_come_from_facts() -> None:
    world = world_of(BY_HAND[0][0])
    right = {fact.right for fact in facts(world)}
    text = "the kite, the mill, Nora, Tom, because the kite was back"
    for seed in range(100):
        questions, statements = choose(world, text, random.Random(seed))
        assert len({question.text for question in questions}) == len(questions)
        assert sum(truth for _, truth in statements) * 2 == len(statements)
        assert all((statement in right) == truth for statement, truth in statements)


def test_a_false_feeling_is_never_one_that_could_be_true_as_well() -> None:
    """Who is proud may be glad too; who is glad is neither sad nor cross."""
    for feeling in FEELINGS:
        for fact in facts(world_of([Feel(NORA, feeling, "it rained")])):
            said = {word for statement in fact.wrong for word in statement.split() if word.strip(".") in FEELINGS}
            assert {word.strip(".") in CHEERFUL for word in said} == {feeling not in CHEERFUL}


def test_only_words_that_the_story_says_are_asked_for() -> None:
    world = world_of([Own(NORA, KITE), Put(NORA, KITE, MILL)])
    assert choose(world, "Nora left it at the mill.", random.Random(0))[0] == (
        Question("Where is the kite?", "the mill", "where"),
    )
    assert choose(world, "Nora left it there.", random.Random(0))[0] == ()
