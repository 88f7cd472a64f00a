"""The cast: suits the shape, is drawn evenly, and keeps the parts apart."""

import random
from collections import Counter
from itertools import product

import pytest

from hornbook.village.casting import ANY, PARTS, Cast, Needs, draw_cast, held_out, part_of
from hornbook.village.vocabulary import PEOPLE, PLACES, THINGS, Person, Place, Thing


def combinations(cast: Cast) -> set[tuple[str, str, str]]:
    """Every name, thing and place of a cast together."""
    roles = [getattr(cast, slot) for slot in Cast.__slots__]
    people = [role.name for role in roles if isinstance(role, Person)]
    things = [role.noun for role in roles if isinstance(role, Thing)]
    return set(product(people, things, [role.noun for role in roles if isinstance(role, Place)]))


def test_the_assignment_is_fixed_for_ever() -> None:
    """A model trained today must be examined on combinations it has not seen, tomorrow too."""
    rows = [part_of(person.name, thing.noun, place.noun) for person, thing, place in product(PEOPLE, THINGS, PLACES)]
    assert len(rows) == 24 * 34 * 16
    assert {part: rows.count(part) for part in PARTS} == {"train": 12532, "val": 256, "test": 268}


@pytest.mark.parametrize("part", PARTS)
def test_no_cast_holds_a_combination_of_another_part(part: str) -> None:
    others = {
        (row[0].name, row[1].noun, row[2].noun) for other in ("val", "test") if other != part for row in held_out(other)
    }
    for seed in range(500):
        cast = draw_cast(random.Random(seed), part, ANY)
        assert not combinations(cast) & others
        assert part_of(*cast.combination) == part


def test_everybody_and_everything_comes_up_equally_often() -> None:
    casts = [draw_cast(random.Random(seed), "train", ANY) for seed in range(3000)]
    for choices, drawn in (
        (PEOPLE, Counter(cast.a for cast in casts)),
        (THINGS, Counter(next(thing for thing in THINGS if thing.noun == cast.thing.noun) for cast in casts)),
        (PLACES, Counter(cast.place for cast in casts)),
    ):
        expected = len(casts) / len(choices)
        assert set(drawn) == set(choices)
        assert all(abs(number - expected) < 5 * expected**0.5 for number in drawn.values())


def test_a_cast_suits_its_shape() -> None:
    needs = Needs(thing="dish ladder", place="indoors hill", animal="small")
    for seed in range(100):
        cast = draw_cast(random.Random(seed), "test", needs)
        assert cast.thing.noun in {"jug", "pot", "jar", "ladder"}
        assert cast.place.indoors or cast.place.noun == "hill"
        assert cast.animal.noun in {"cat", "duck", "hen", "rabbit"}


def test_nobody_and_nothing_plays_two_roles_and_the_pair_have_different_pronouns() -> None:
    for seed in range(200):
        cast = draw_cast(random.Random(seed), "train", ANY)
        assert len({cast.a, cast.b, cast.c, cast.d, cast.e}) == 5
        assert len({thing.noun for thing in (cast.thing, cast.other, cast.third, cast.fourth)}) == 4
        assert len({cast.place, cast.there, cast.far, cast.beyond}) == 4
        assert cast.a.he != cast.b.he
