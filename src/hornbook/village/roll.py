"""Facts of the village and nothing else: who has what, who and what is where, and how many; each with its question."""

import random

from hornbook.randomness import python_random
from hornbook.village.asking import Question
from hornbook.village.casting import ANY, Cast, draw_cast
from hornbook.village.stories import Story
from hornbook.village.vocabulary import GOODS, NUMBERS
from hornbook.village.world import Be, Gain, Own, World

FEWEST_FACTS, MOST_FACTS = 5, 7
FEWEST, MOST = 2, 12  # of some goods


def roll(seed: int, part: str, index: int) -> Story:
    """Facts alone, each said once: "Nora has the kite. Tom is at the mill. The rope is in the barn. ..."

    What a song asks it answers itself, by the very words that follow the same words before. Here the answer to "Who has
    the kite?" stands where nothing but the kite leads to it.
    """
    _, cast, facts, chance = drawn_facts(seed, part, index, "roll")
    thing, place = cast.third, chance.choice((cast.place, cast.there, cast.far))
    facts = [each for each in facts if str(thing) not in each[0]]
    facts.append((f"{str(thing).capitalize()} is {place.at}", Question(f"Where is {thing}?", str(place), "where")))
    chance.shuffle(facts)
    facts = facts[: chance.randint(FEWEST_FACTS, MOST_FACTS)]
    text = " ".join(f"{line}." for line, _ in facts)
    return Story(text, tuple(question for _, question in facts), "facts", "calm", (), "roll", cast.combination)


def drawn_facts(
    seed: int, part: str, index: int, kind: str
) -> tuple[World, Cast, list[tuple[str, Question]], random.Random]:
    """A world with who has what and where, and each fact of it with its question."""
    chance = python_random(seed, f"village {kind} {part}", index)
    cast = draw_cast(chance, part, ANY)
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
    return world, cast, facts, chance
