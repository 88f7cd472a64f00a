"""Who plays in a story, with what and where; and which combinations are kept out of the training stories.

Every combination of a name, a thing and a place belongs to one part, by a hash of the three words alone (no seed):
2 of 100 belong to val, 2 of 100 to test, the rest to everybody. The central combination of a val or test story (its
hero, its thing, its place) belongs to that part, and the cast of a story never holds, in any roles, a combination
that belongs to another part. So whatever the seed, no training story brings a test combination together.
"""

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

from hornbook.randomness import key
from hornbook.village.vocabulary import ADJECTIVES, ANIMALS, PEOPLE, PLACES, THINGS, Person, Place, Thing

PARTS = ("train", "val", "test")
HELD_OUT_PERCENT = 2  # of the combinations, for val and for test each


@dataclass(frozen=True, slots=True)
class Needs:
    """What a story shape asks of its cast: things and animals by kind or name, places by name, 'indoors' or 'outdoors'.

    Several are separated by spaces: Needs(thing="carrier dish"); nothing said means any will do.
    """

    thing: str = ""
    place: str = ""
    animal: str = ""


ANY = Needs()


@dataclass(frozen=True, slots=True)
class Cast:
    """The roles of one story. `a` is the hero and `b`, of the other pronoun, the one beside; `thing` and `place` are
    the central ones. Who and what is named last (`d`, `e`, `third`, `fourth`, `beyond`) is kept for asides."""

    a: Person
    b: Person
    c: Person
    d: Person
    e: Person
    thing: Thing
    other: Thing
    third: Thing
    fourth: Thing
    place: Place
    there: Place
    far: Place
    beyond: Place
    animal: Thing

    @property
    def combination(self) -> tuple[str, str, str]:
        """The central (name, thing, place), which decides the part."""
        return self.a.name, self.thing.noun, self.place.noun


@cache
def part_of(name: str, thing: str, place: str) -> str:
    """Where a combination belongs: 'val', 'test', or 'train' for one that every part may use."""
    number = key(0, f"village combination/{name}/{thing}/{place}") % 100
    return "val" if number < HELD_OUT_PERCENT else "test" if number < 2 * HELD_OUT_PERCENT else "train"


@cache
def held_out(part: str) -> tuple[tuple[Person, Thing, Place], ...]:
    """All combinations of `part`: about 250 each for val and test."""
    everything = ((person, thing, place) for person in PEOPLE for thing in THINGS for place in PLACES)
    return tuple(row for row in everything if part_of(row[0].name, row[1].noun, row[2].noun) == part)


@cache
def forbidden_places(name: str, thing: str, part: str) -> int:
    """The places that a story of `part` may not bring together with this name and thing, as bits over PLACES."""
    parts = (part_of(name, thing, place.noun) for place in PLACES)
    return sum(1 << bit for bit, owner in enumerate(parts) if owner not in ("train", part))


def suits(needs: Needs, thing: Thing, place: Place) -> bool:
    """Whether a shape can be told with this thing at this place."""
    where = {place.noun, "indoors" if place.indoors else "outdoors"}
    return fits(needs.thing, {thing.noun, thing.kind}) and fits(needs.place, where)


def fits(wanted: str, names: set[str]) -> bool:
    """Whether one of the names is among the wanted words; where nothing is wanted anything fits."""
    return not wanted or not names.isdisjoint(wanted.split())


def draw_cast(chance: random.Random, part: str, needs: Needs) -> Cast:
    """A cast for one story of `part`; names, things and places come up equally often."""
    while True:
        central = draw_central(chance, part, needs)
        cast = complete(chance, part, needs, *central)
        if cast is not None:
            return cast


def draw_central(chance: random.Random, part: str, needs: Needs) -> tuple[Person, Thing, Place]:
    """The hero, the thing and the place: any that suit for train, among the held-out combinations for val and test."""
    while True:
        if part == "train":
            row = (chance.choice(PEOPLE), chance.choice(THINGS), chance.choice(PLACES))
        else:
            row = chance.choice(held_out(part))
        if suits(needs, row[1], row[2]):
            return row


def complete(chance: random.Random, part: str, needs: Needs, a: Person, thing: Thing, place: Place) -> Cast | None:
    """The other roles around a central combination, or None where no three more places are allowed with that cast."""
    people = [a]
    for wanted in (a.he == "he", None, None, None):
        people.append(draw_person(chance, people, wanted))
    things = [thing, *chance.sample([other for other in THINGS if other.noun != thing.noun], 3)]
    forbidden = 0
    for person in people:
        for each in things:
            forbidden |= forbidden_places(person.name, each.noun, part)
    allowed = [where for bit, where in enumerate(PLACES) if not forbidden >> bit & 1]
    if place not in allowed or len(allowed) < 4:
        return None
    places = [place, *chance.sample([where for where in allowed if where is not place], 3)]
    things = [dressed(chance, each) for each in things]
    animals = [animal for animal in ANIMALS if fits(needs.animal, {animal.kind})]
    roles: dict[str, Any] = dict(zip(Cast.__slots__, [*people, *things, *places, chance.choice(animals)], strict=True))
    return Cast(**roles)


def draw_person(chance: random.Random, taken: list[Person], girl: bool | None) -> Person:
    """Somebody not in `taken`: a girl, a boy, or (None) anybody."""
    while True:
        person = chance.choice(PEOPLE)
        if person not in taken and (girl is None or (person.he == "she") == girl):
            return person


def dressed(chance: random.Random, thing: Thing) -> Thing:
    """The thing with an adjective, two times out of five."""
    return thing.described(chance.choice(ADJECTIVES)) if chance.random() < 0.4 else thing
