"""Asking: what is true at the end of a story becomes questions with one short answer, and true and false statements.

Every answer is read from the world and its history. The words of an answer stand in the story just so.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hornbook.village.vocabulary import CHEERFUL, GLOOMY, NUMBERS, PEOPLE, PLACES, THINGS, Person, Place, Thing
from hornbook.village.world import Arrive, Find, Give, Lend, Order, World

# how gladly a kind is asked first: rare kinds often, what every story has more seldom
WEIGHTS = {
    "where": 1.2, "who_has": 1.2, "who_gave": 1.0, "who_first": 4.0, "how_many": 3.0,
    "who_found": 2.0, "what_gave": 0.6, "who_feels": 0.5, "why": 0.3,
}  # fmt: skip
MOST_QUESTIONS = 8
MOST_STATEMENTS = 4


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a story, its one answer, and its kind (where, who_has, who_gave, who_first, how_many, ...)."""

    text: str
    answer: str
    kind: str


@dataclass(frozen=True, slots=True)
class Fact:
    """Something true: how to ask for it, and how to state it rightly and wrongly."""

    question: Question
    right: str
    wrong: tuple[str, ...]


def facts(world: World) -> Iterator[Fact]:
    """Everything about a finished story that can be asked without doubt."""
    people = sorted({person for event in world.history for person in people_of(event)}, key=lambda person: person.name)
    people = people if len(people) > 2 else list(PEOPLE)
    yield from where(world)
    yield from who_has(world, people)
    yield from who_gave(world, people)
    yield from who_first(world)
    yield from how_many(world)
    yield from feelings(world)
    yield from who_found(world, people)


def people_of(event: object) -> list[Person]:
    """Everybody in an event."""
    values = [getattr(event, slot) for slot in type(event).__dataclass_fields__]  # type: ignore[attr-defined]
    return [
        one for value in values for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Person)
    ]


def where(world: World) -> Iterator[Fact]:
    """Where is the kite? Where is Nora? Only for what lies somewhere and who was last said to be somewhere."""
    spots: list[tuple[Person | Thing, Place]] = [(thing, spot) for thing in world.things if (spot := world.spot(thing))]
    spots += world.places.items()
    places = {place for event in world.history if isinstance(place := getattr(event, "place", None), Place)}
    places = places if len(places) > 1 else set(PLACES)
    for what, spot in spots:
        wrong = sorted(place.at for place in places if place != spot)
        yield fact("where", f"Where is {what}?", str(spot), f"{what} is {{}}.", spot.at, wrong)


def who_has(world: World, people: list[Person]) -> Iterator[Fact]:
    """Who has the kite?"""
    for thing in world.things:
        if holder := world.holder(thing):
            yield fact(
                "who_has", f"Who has {thing}?", holder.name, f"{{}} has {thing}.", holder.name, names(people, holder)
            )


def who_gave(world: World, people: list[Person]) -> Iterator[Fact]:
    """Who gave the kite to Tom? What did Nora give to Tom? Only where there is one answer."""
    gifts = [event for event in world.history if isinstance(event, Give)]
    to = Counter((type(gift), gift.to, gift.thing) for gift in gifts)
    between = Counter((type(gift), gift.who, gift.to) for gift in gifts)
    for gift in gifts:
        done, do = ("lent", "lend") if isinstance(gift, Lend) else ("gave", "give")
        if to[type(gift), gift.to, gift.thing] == 1:
            right = f"{{}} {done} {gift.thing} to {gift.to}."
            wrong = [name for name in names(people, gift.who) if name != gift.to.name]
            yield fact("who_gave", f"Who {done} {gift.thing} to {gift.to}?", gift.who.name, right, gift.who.name, wrong)
        if between[type(gift), gift.who, gift.to] == 1:
            right = f"{gift.who} {done} {{}} to {gift.to}."
            wrong = [str(thing) for thing in (*world.things, *THINGS) if thing.noun != gift.thing.noun][
                : len(world.things)
            ]
            text = f"What did {gift.who} {do} to {gift.to}?"
            yield fact("what_gave", text, str(gift.thing), right, str(gift.thing), wrong)


def who_first(world: World) -> Iterator[Fact]:
    """Who was first at the mill?"""
    for event in world.history:
        if isinstance(event, (Arrive, Order)):
            deed = f"first {event.place.at}" if isinstance(event, Arrive) else event.deed
            first, *rest = (person.name for person in event.order)
            yield fact("who_first", f"Who was {deed}?", first, f"{{}} was {deed}.", first, rest)


def how_many(world: World) -> Iterator[Fact]:
    """How many eggs does Nora have?"""
    for (who, goods), number in world.counts.items():
        if number >= 1:
            wrong = [goods.count(number + 1), goods.count(number + 2)] + [goods.count(number - 1)] * (number > 1)
            text = f"How many {goods} does {who} have?"
            yield fact("how_many", text, NUMBERS[number], f"{who} has {{}}.", goods.count(number), wrong)


def feelings(world: World) -> Iterator[Fact]:
    """Who is cross? Why is Nora cross? Who, only for a feeling that one alone is said to have at the end."""
    shared = Counter(feel.feeling for feel in world.feelings.values())
    for who, feel in world.feelings.items():
        wrong = list(GLOOMY if feel.feeling in CHEERFUL else CHEERFUL)
        if shared[feel.feeling] == 1:
            yield fact("who_feels", f"Who is {feel.feeling}?", who.name, f"{who} is {{}}.", feel.feeling, wrong)
        claim = f"{who} is {{}} because {feel.why}."
        yield fact("why", f"Why is {who} {feel.feeling}?", f"because {feel.why}", claim, feel.feeling, wrong)


def who_found(world: World, people: list[Person]) -> Iterator[Fact]:
    """Who found the kite?"""
    finds = [event for event in world.history if isinstance(event, Find)]
    once = Counter(find.thing for find in finds)
    for find in finds:
        if once[find.thing] == 1:
            rest = names(people, find.who)
            text = f"Who found {find.thing}?"
            yield fact("who_found", text, find.who.name, f"{{}} found {find.thing}.", find.who.name, rest)


def asked_in(text: str, question: Question) -> bool:
    """Whether the reader of `text` meets the words of the answer."""
    return question.kind == "how_many" or question.answer in text


def names(people: list[Person], right: Person) -> list[str]:
    """Everybody's name but the right one's."""
    return [person.name for person in people if person != right]


def fact(kind: str, text: str, answer: str, claim: str, right: str, wrong: list[str]) -> Fact:
    """Put one together: `claim` has a gap that `right` fills truly and each of `wrong` falsely."""
    claim = claim[0].upper() + claim[1:]
    return Fact(Question(text, answer, kind), claim.format(right), tuple(claim.format(each) for each in wrong))


def choose(world: World, text: str, chance: random.Random) -> tuple[tuple[Question, ...], tuple[tuple[str, bool], ...]]:
    """The questions of a story in random order (rare kinds rather first), and as many true as false statements.

    Only what the story says in the very words of the answer is asked; numbers may also be counted out.
    """
    known = list({each.question.text: each for each in facts(world) if asked_in(text, each.question)}.values())
    # a weighted shuffle (Efraimidis and Spirakis 2006): the first in order are a weighted sample
    known.sort(key=lambda each: chance.random() ** (1 / WEIGHTS[each.question.kind]), reverse=True)
    questions = tuple(each.question for each in known[:MOST_QUESTIONS])
    deniable = list({each.right: each for each in known if each.wrong}.values())[:MOST_STATEMENTS]
    chance.shuffle(deniable)
    deniable = deniable[: len(deniable) // 2 * 2]
    half = len(deniable) // 2
    statements = [(each.right, True) for each in deniable[:half]]
    statements += [(chance.choice(each.wrong), False) for each in deniable[half:]]
    chance.shuffle(statements)
    return questions, tuple(statements)
