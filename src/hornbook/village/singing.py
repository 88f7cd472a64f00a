"""Ring songs: what the children of the village sing, full of names and repeated at once.

    Nora has the kite, Nora has the kite. Tom is at the mill, Tom is at the mill. Where is Tom? Tom is at the mill! ...

A model that only reads stories meets few names among many words, and stays for millions of tokens with guessing any name
at all. A song has little else than names, things, places and numbers, each of them said again soon: copying what was said
before is worth learning here, and what is learned serves the stories. Words that no song has are copied far later.
"""

import random

from hornbook.randomness import python_random
from hornbook.village.asking import Fact, choose, how_many, where, who_has
from hornbook.village.casting import ANY, Cast, draw_cast
from hornbook.village.roll import FEWEST, MOST
from hornbook.village.stories import Story
from hornbook.village.vocabulary import GOODS, Person
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


def song(seed: int, part: str, index: int) -> Story:
    """Song `index` of a part, with the questions it sings; a pure function of its arguments, as stories are.

    It keeps the rule of the stories: no name, thing and place of another part come together.
    """
    chance = python_random(seed, f"village song {part}", index)
    cast = draw_cast(chance, part, ANY)
    singers = [cast.a, cast.b, cast.c, cast.d]
    world = _drawn(cast, singers, chance)
    facts = [*who_has(world, singers), *where(world), *how_many(world)]
    chance.shuffle(facts)
    facts = facts[: chance.randint(FEWEST_FACTS, MOST_FACTS)]
    said = [f"{_line(fact)}, {_line(fact)}." for fact in facts]
    chance.shuffle(facts)
    asked = [f"{fact.question.text} {_line(fact)}!" for fact in facts]
    chance.shuffle(facts)
    text = " ".join([chance.choice(BEGINNINGS), *said, *asked])
    _, statements = choose(world, text, chance)
    questions = tuple(fact.question for fact in facts)
    return Story(text, questions, "singing", "glad", statements, "ring_song", cast.combination)


def _drawn(cast: Cast, singers: list[Person], chance: random.Random) -> World:
    """A world in which the singers, in whatever order, have things, places and goods."""
    world = World()
    chance.shuffle(singers)
    for who, thing in zip(singers, (cast.thing, cast.other, cast.third), strict=False):
        world.apply(Own(who, thing))
    for who, place in zip(chance.sample(singers, 3), (cast.place, cast.there, cast.far), strict=False):
        world.apply(Be(who, place))
    for who, goods in zip(chance.sample(singers, 2), chance.sample(GOODS, 2), strict=True):
        world.apply(Gain(who, chance.randint(FEWEST, MOST), goods))
    return world


def _line(fact: Fact) -> str:
    return fact.right.removesuffix(".")
