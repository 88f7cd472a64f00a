"""The village's stories: any number of them from a seed, each a pure function of (seed, part, index).

first = story(seed=1, part="train", index=0)
print(document(first))     the story, an empty line, then a few questions with their answers
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from hornbook.errors import unknown
from hornbook.randomness import key, python_random
from hornbook.village import (
    shapes_animals,
    shapes_finding,
    shapes_food,
    shapes_friends,
    shapes_games,
    shapes_giving,
    shapes_learning,
    shapes_market,
    shapes_weather,
    shapes_work,
)
from hornbook.village.asking import Question, choose
from hornbook.village.casting import PARTS, draw_cast
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling

SHORTEST, LONGEST = 60, 200  # words
THEMES = (
    shapes_animals,
    shapes_finding,
    shapes_food,
    shapes_friends,
    shapes_games,
    shapes_giving,
    shapes_learning,
    shapes_market,
    shapes_weather,
    shapes_work,
)
SHAPES: tuple[tuple[str, Shape], ...] = tuple(
    (theme.__name__.rpartition("_")[2], shape) for theme in THEMES for shape in theme.SHAPES
)


@dataclass(frozen=True, slots=True)
class Story:
    """A story and what is known about it; its central (name, thing, place) is held out for val and test."""

    text: str
    questions: tuple[Question, ...]
    topic: str
    mood: str
    statements: tuple[tuple[str, bool], ...]
    shape: str
    combination: tuple[str, str, str]


def stories(seed: int, count: int, part: str = "train") -> Iterator[Story]:
    """The first `count` stories of a seed for a part ('train', 'val' or 'test')."""
    return (story(seed, part, index) for index in range(count))


def story(seed: int, part: str, index: int) -> Story:
    """Story `index`; the same arguments give the same story on every machine."""
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    chance = python_random(seed, f"village {part}", index)
    while True:
        told = tell(chance, part)
        if SHORTEST <= told.text.count(" ") + 1 <= LONGEST and len(told.questions) >= 2:
            return told


def tell(chance: random.Random, part: str) -> Story:
    """One story of whatever length."""
    topic, shape = chance.choice(SHAPES)
    telling = Telling(chance, draw_cast(chance, part, shape.needs))
    shape.tell(telling, telling.cast)
    questions, statements = choose(telling.world, telling.text(), chance)
    mood = telling.world.feelings[telling.cast.a].feeling
    return Story(telling.text(), questions, topic, mood, statements, shape.name, telling.cast.combination)


def document(story: Story) -> str:
    """How a story is read in training: with two to four of its questions and their answers."""
    asked = story.questions[: 2 + key(0, "village questions/" + story.text) % 3]
    return story.text + "\n\n" + "\n".join(f"Question: {each.text}\nAnswer: {each.answer}" for each in asked) + "\n"


def prompt(story: Story, question: Question) -> str:
    """The beginning of a document whose first question is this one, up to where the answer belongs."""
    return f"{story.text}\n\nQuestion: {question.text}\nAnswer:"
