"""Ring songs: what the children of the village sing, full of names and repeated at once.

    Nora has the kite, Nora has the kite. Tom is at the mill, Tom is at the mill. Where is Tom? Tom is at the mill! ...

A model that only reads stories meets few names among many words, and stays for millions of tokens with guessing any name
at all. A song has little else than names, things, places and numbers, each of them said again soon: copying what was said
before is worth learning here, and what is learned serves the stories. Words that no song has are copied far later.
"""

import random

from hornbook.randomness import python_random
from hornbook.village.asking import Question, choose
from hornbook.village.casting import ANY, Cast, draw_cast
from hornbook.village.stories import Story
from hornbook.village.vocabulary import GOODS, NUMBERS
from hornbook.village.world import Be, Gain, Own, World

BEGINNINGS = (
    "The children stood in a circle and sang.",
    "They held hands and sang a song.",
    "At the end of the day the children sang.",
    "This was the song of the evening.",
    "Everybody knew the song and sang along.",
    "They clapped their hands and sang.",
)
FEWEST_FACTS, MOST_FACTS = 4, 5
FEWEST, MOST = 2, 12  # of some goods


def song(seed: int, part: str, index: int) -> Story:
    """Song `index` of a part, with the questions it sings; a pure function of its arguments, as stories are.

    It keeps the rule of the stories: no name, thing and place of another part come together.
    """
    chance = python_random(seed, f"village song {part}", index)
    cast = draw_cast(chance, part, ANY)
    world, facts = _drawn(cast, chance)
    chance.shuffle(facts)
    facts = facts[: chance.randint(FEWEST_FACTS, MOST_FACTS)]
    said = [f"{line}, {line}." for line, _ in facts]
    chance.shuffle(facts)
    asked = [f"{question.text} {line}!" for line, question in facts]
    chance.shuffle(facts)
    text = " ".join([chance.choice(BEGINNINGS), *said, *asked])
    _, statements = choose(world, text, chance)
    questions = tuple(question for _, question in facts)
    return Story(text, questions, "singing", "glad", statements, "ring_song", cast.combination)


def _drawn(cast: Cast, chance: random.Random) -> tuple[World, list[tuple[str, Question]]]:
    """A world with who has what and where, and each fact of it with its question."""
    world = World()
    singers = [cast.a, cast.b, cast.c, cast.d]
    chance.shuffle(singers)
    facts = []
    for who, thing in zip(singers, (cast.thing, cast.other, cast.third), strict=False):
        world.apply(Own(who, thing))
        facts.append((f"{who} has {thing}", Question(f"Who has {thing}?", str(who), "who_has")))
    for who, place in zip(chance.sample(singers, 3), (cast.place, cast.there, cast.far), strict=False):
        world.apply(Be(who, place))
        facts.append((f"{who} is {place.at}", Question(f"Where is {who}?", str(place), "where")))
    for who, goods in zip(chance.sample(singers, 2), chance.sample(GOODS, 2), strict=True):
        number = chance.randint(FEWEST, MOST)
        world.apply(Gain(who, number, goods))
        question = Question(f"How many {goods} does {who} have?", NUMBERS[number], "how_many")
        facts.append((f"{who} has {goods.count(number)}", question))
    return world, facts
