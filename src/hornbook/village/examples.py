"""Examples to fine-tune on: conversations about a story, and pairs of a true and a false answer.

    conversation(1, "train", 0)   {"messages": [{"role": "user", "content": "<story>\\n\\nWhere is the kite?"},
                                                {"role": "assistant", "content": "the mill"}, ...]}
    preference(1, "train", 0)     {"instruction": "<story>\\n\\nWhere is the kite?", "chosen": "the mill", "rejected": ...}

Each is a pure function of (seed, part, index), as stories are, and keeps their rule about what belongs to which part.
"""

import random
import re
from collections.abc import Sequence
from typing import TypedDict

from hornbook.randomness import python_random
from hornbook.village.asking import Question
from hornbook.village.roll import roll
from hornbook.village.stories import Story, story
from hornbook.village.vocabulary import ANIMALS, NUMBERS, PEOPLE, PLACES, THINGS

# every example is about a story in which one of these can be asked, in turn: a plain draw has few counts and reasons
WANTED = (
    "where", "who_has", "how_many", "who_gave", "who_first", "why",
    "where", "who_has", "how_many", "who_feels", "who_found", "what_gave",
)  # fmt: skip
A_ROLL_IN = 5  # conversations; no multiple of it is one of WANTED's length, so that every kind keeps its share
MOST_SOUGHT = 40  # stories looked at for one of the wanted kind
FALSE_REASONS = ("because it was late", "because nobody had come", "because the way was so far")
NAMES = tuple(person.name for person in PEOPLE)
SPOTS = tuple(str(place) for place in PLACES)
GOODS_AND_ANIMALS = tuple(str(thing) for thing in (*THINGS, *ANIMALS))


class Message(TypedDict):
    """One turn."""

    role: str
    content: str


class Conversation(TypedDict):
    """What a line of `village-questions` holds."""

    messages: list[Message]


class Preference(TypedDict):
    """What a line of `village-preferences` holds."""

    instruction: str
    input: str
    chosen: str
    rejected: str


def conversation(seed: int, part: str, index: int) -> Conversation:
    """A story with a question, its answer, then further questions on the same story, each with its answer."""
    return _conversation(*told_first(seed, part, index))


def looking_up(seed: int, part: str, index: int) -> Conversation:
    """Facts alone and a question on each: what an assistant may learn before it meets stories."""
    return _conversation(roll(seed, part, index), _chance(seed, part, index))


def _conversation(told: Story, chance: random.Random) -> Conversation:
    asked = list(told.questions)
    chance.shuffle(asked)
    messages: list[Message] = []
    for question in asked:
        content = question.text if messages else first_message(told, question)
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": question.answer}]
    return {"messages": messages}


def preference(seed: int, part: str, index: int) -> Preference:
    """A story with a question, the true answer and a false one that the story might as well have given."""
    told, chance = sought(seed, part, index)
    possible = [each for each in told.questions if false_answers(told.text, each)]
    question = next((each for each in possible if each.kind == wanted(index)), possible[0])
    return {
        "instruction": first_message(told, question),
        "input": "",
        "chosen": question.answer,
        "rejected": chance.choice(false_answers(told.text, question)),
    }


def first_message(story: Story, question: Question) -> str:
    """How a person gives the assistant a story with the first question about it."""
    return f"{story.text}\n\n{question.text}"


def wanted(index: int) -> str:
    """The kind of question that example `index` is to have."""
    return WANTED[index % len(WANTED)]


def told_first(seed: int, part: str, index: int) -> tuple[Story, random.Random]:
    """What conversation `index` is about, and the chance for what else is drawn: a story, in every fifth facts alone.

    They have no plot to guess from: only what the question names tells which of the names is the answer.
    """
    return sought(seed, part, index) if index % A_ROLL_IN else (roll(seed, part, index), _chance(seed, part, index))


def sought(seed: int, part: str, index: int) -> tuple[Story, random.Random]:
    """A story in which a question of the wanted kind can be asked, and the chance for what else is drawn."""
    for number in range(index * MOST_SOUGHT, (index + 1) * MOST_SOUGHT):
        told = story(seed, part, number)
        if any(question.kind == wanted(index) for question in told.questions):
            break
    return told, _chance(seed, part, index)


def _chance(seed: int, part: str, index: int) -> random.Random:
    return python_random(seed, f"village example {part}", index)


def false_answers(text: str, question: Question) -> Sequence[str]:
    """Answers of the same form that are wrong: what else the story names, near numbers, other reasons; perhaps none.

    What the story doesn't name is no false answer: it might belong to another part.
    """
    right = question.answer
    if question.kind == "how_many":
        number = NUMBERS.index(right)
        return [NUMBERS[near] for near in (number - 2, number - 1, number + 1, number + 2) if 1 <= near < len(NUMBERS)]
    if question.kind == "why":
        reasons = [f"because {clause}" for clause in re.findall(r"because (.*?)[.,;]", text)]
        return [each for each in reasons if each != right] or [each for each in FALSE_REASONS if each != right]
    alike = next(words for words in (NAMES, SPOTS, GOODS_AND_ANIMALS) if right in words)
    return [each for each in alike if each != right and re.search(rf"\b{each.removeprefix('the ')}\b", text)]
