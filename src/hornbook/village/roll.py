"""Facts of the village and nothing else: who has what, who and what is where, and how many; each with its question.

    It was a quiet day. Nora has the kite. Tom is at the mill. Ada is at the inn. Sam is in the barn. Tom has the rope. ...

What a song asks it answers itself, by the very words that follow the same words before, and in a story there is often
one place or one number that may be meant, so that naming any is right half the time and looking for the name asked
for is never learned. Here it pays: of every roll one kind of fact has four to choose from.
"""

from hornbook.randomness import python_random
from hornbook.village.asking import how_many, where, who_has
from hornbook.village.casting import ANY, draw_cast
from hornbook.village.phrasings import OPENINGS
from hornbook.village.stories import Story
from hornbook.village.vocabulary import GOODS
from hornbook.village.world import Be, Gain, Lie, Own, World

SHARES = ((4, 2, 2), (2, 4, 2), (2, 2, 4))  # places, holdings and counts of a roll
FEWEST, MOST = 2, 12  # of some goods


def roll(seed: int, part: str, index: int) -> Story:
    """Roll `index` of a part, with its questions; a pure function of its arguments, as stories are.

    It keeps the rule of the stories: no name, thing and place of another part come together.
    """
    chance = python_random(seed, f"village roll {part}", index)
    cast = draw_cast(chance, part, ANY)
    people = [cast.a, cast.b, cast.c, cast.d, cast.e]
    things, places = [cast.thing, cast.other, cast.third, cast.fourth], [cast.place, cast.there, cast.far, cast.beyond]
    spots, held, counted = chance.choice(SHARES)
    chance.shuffle(places)
    world = World()
    for who, place in zip(chance.sample(people, spots), places, strict=False):
        world.apply(Be(who, place))
    for who, thing in zip(chance.sample(people, held), things, strict=False):
        world.apply(Own(who, thing))
    if held < len(things):
        world.apply(Lie(things[-1], chance.choice(places)))
    goods = chance.sample(GOODS, counted) if chance.random() < 0.5 else [chance.choice(GOODS)] * counted
    for who, each in zip(chance.sample(people, counted), goods, strict=True):
        world.apply(Gain(who, chance.randint(FEWEST, MOST), each))
    placed = list(where(world))  # things first
    facts = [*placed[-spots:], *who_has(world, people), *placed[:-spots], *how_many(world)]
    chance.shuffle(facts)
    text = " ".join([chance.choice(OPENINGS), *(fact.right for fact in facts)])
    return Story(text, tuple(fact.question for fact in facts), "facts", "calm", (), "roll", cast.combination)
