"""Telling: events become sentences, names become pronouns where nobody can be mistaken, words become dialogue.

telling.do(Give(nora, tom, kite))              the world changes, and one of several sentences says so
telling.do(Give(nora, tom, kite), "{a} ...")   the same change in words of the story's own
telling.tell("{a} thought for a while.")       colour: the world stays as it is
telling.speak(nora, "Where is {thing}?")       "Where is the kite?" asked Nora.
"""

import random
from functools import lru_cache
from string import Formatter
from typing import TypeVar

from hornbook.village.casting import Cast
from hornbook.village.phrasings import (
    ASIDES,
    EARLY_ASIDES,
    ENDINGS,
    OPENINGS,
    PHRASINGS,
    SAID,
    STATES,
    SUMMARIES,
    SUMMED,
)
from hornbook.village.vocabulary import Person, Thing
from hornbook.village.world import Be, Event, Feel, Gain, Give, Lie, Own, Put, Share, Spend, World

T = TypeVar("T")
PRONOUN_CHANCE = 0.55
MOST_PRONOUNS = 2  # in a row; then the name comes again


@lru_cache(maxsize=8192)
def fields_of(template: str) -> tuple[str, ...]:
    """The fields of a template in order: '{a} saw {b.his} {thing}' -> ('a', 'b.his', 'thing')."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name)


@lru_cache(maxsize=8192)
def roles_of(template: str) -> tuple[str, ...]:
    """The roles behind its fields: '{a} saw {b.his} {thing}' -> ('a', 'b', 'thing')."""
    return tuple(name.split(".")[0] for name in fields_of(template))


def capital(text: str) -> str:
    """The text with a capital first: 'the kite was gone.' -> 'The kite was gone.'"""
    return text[0].upper() + text[1:]


def people_in(template: str, roles: dict[str, object]) -> list[Person]:
    """The people a template names, in order."""
    return [person for role in roles_of(template) if isinstance(person := roles[role], Person)]


def roles_in(event: Event) -> dict[str, object]:
    """An event's own roles (who, to, thing, place, ...), with `n` for its number of goods: 'three eggs'."""
    roles = {slot: getattr(event, slot) for slot in type(event).__dataclass_fields__}
    return roles | {"n": event.goods.count(event.number)} if isinstance(event, Gain | Share | Spend) else roles


def possible_asides(cast: Cast) -> dict[str, tuple[Event, ...]]:
    """What those who are kept for asides may do: be somewhere or leave a thing there; have or give a thing."""
    return {
        "place": (Put(cast.d, cast.third, cast.beyond), Lie(cast.third, cast.beyond), Be(cast.d, cast.beyond)),
        "holder": (Own(cast.e, cast.fourth), Give(cast.d, cast.e, cast.fourth)),
    }


class Telling:
    """One story while it is told: the cast, the world and the sentences so far."""

    def __init__(self, chance: random.Random, cast: Cast) -> None:
        self.chance = chance
        self.cast = cast
        self.world = World()
        self.sentences: list[str] = []
        self.roles: dict[str, object] = {role: getattr(cast, role) for role in Cast.__slots__}
        self._focus: Person | None = None  # the subject of the last sentence
        self._seen: list[Person] = []  # everybody in the last sentence
        self._pronouns = 0  # in a row
        self._asides = ["place", "holder"]

    def pick(self, *options: T) -> T:
        """One of several, at random."""
        return self.chance.choice(options)

    def maybe(self, probability: float = 0.5) -> bool:
        """True with this probability."""
        return self.chance.random() < probability

    def number(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return self.chance.randint(low, high)

    def name(self, **roles: object) -> None:
        """Further roles for the templates of this story: name(goods=EGGS, winner=c.b)."""
        self.roles.update(roles)

    def do(self, event: Event, *phrasings: str, **more: object) -> None:
        """Change the world and say so: in the words given (roles of the cast), else in the event's usual ones."""
        self.world.apply(event)
        roles = roles_in(event)
        if phrasings:  # the cast's `thing` and `place` go before the event's own
            roles |= self.roles | more
        self._sentence(self.chance.choice(phrasings or PHRASINGS[type(event)]), roles)

    def quietly(self, *events: Event) -> None:
        """Change the world without a word: what the next sentence takes for granted."""
        for event in events:
            self.world.apply(event, told=False)

    def tell(self, *phrasings: str, **more: object) -> None:
        """One sentence of colour, which changes nothing."""
        self._sentence(self.chance.choice(phrasings), self.roles | more if more else self.roles)

    def feel(self, who: Person, feeling: str, *reasons: str) -> None:
        """Somebody feels something, because of one of the reasons (clauses in the roles of the cast)."""
        reason = self.chance.choice(reasons)
        self.do(Feel(who, feeling, reason.format_map(self.roles)))
        self._seen = [who, *people_in(reason, self.roles)]

    def speak(self, who: Person, *options: str, **more: object) -> None:
        """Somebody says one of the options; each ends in '.', '?' or '!'."""
        roles = self.roles | {"speaker": who} | more
        template = self.chance.choice(options)
        said = self.chance.choice(SAID[template[-1]])
        addressed = people_in(template, roles)
        words = capital(template.format_map(roles))
        if self.maybe(0.3):
            self._sentence(f'{{speaker}} {said}, "{words}"', roles)
        else:
            spoken = words[:-1] + "," if words[-1] == "." else words
            pronoun = self._clear(who, addressed)
            self._sentence(
                f'"{spoken}" {{speaker.he}} {said}.' if pronoun else f'"{spoken}" {said} {{speaker}}.', roles
            )
            self._pronouns += pronoun
        self._focus, self._seen = who, [*addressed, who]

    def open(self) -> None:
        """The day, the season or the weather, two times out of three; now and then somebody else already."""
        if self.maybe(0.67):
            self.tell(*OPENINGS)
        self.aside(0.25, EARLY_ASIDES)

    def aside(self, probability: float, phrasings: dict[type, tuple[str, ...]] = ASIDES) -> None:
        """Something true about somebody else, with another thing: at most one place and one holder a story."""
        if not self._asides or not self.maybe(probability):
            return
        place_or_holder = self._asides.pop(0 if self.maybe(0.7) else -1)
        event = self.chance.choice(possible_asides(self.cast)[place_or_holder])
        if isinstance(event, (Put, Give)):
            self.quietly(Own(event.who, event.thing))
        self.world.apply(event)
        self._sentence(self.chance.choice(phrasings[type(event)]), roles_in(event))

    def close(self, *things: Thing) -> None:
        """Perhaps sum up where `things` are now, then perhaps a last sentence that fits the hero's mood."""
        if things and self.maybe(0.75):
            self._sum_up(*things)
        if self.maybe(0.5):
            self.tell(*ENDINGS[self.world.feelings[self.cast.a].feeling])

    def text(self) -> str:
        """The story so far, one paragraph."""
        return " ".join(self.sentences)

    def _sum_up(self, *things: Thing) -> None:
        """Where one or two things are now, in one sentence."""
        states = [self._state(thing) for thing in things]
        if len(states) == 1:
            ((what, roles),) = states
            self._sentence(self.chance.choice(SUMMARIES[what]), roles)
            return
        clauses = [STATES[what].format_map(roles) for what, roles in states]
        holders = {roles.get("who") for _, roles in states}
        if len(holders) == 1 and None not in holders:  # 'Ned had the cat and the lantern'
            self._sentence(f"{self.chance.choice(SUMMED)} {clauses[0]} and {things[1]}.", {})
        else:
            self._sentence(f"{self.chance.choice(SUMMED)} {', and '.join(clauses)}.", {})

    def _state(self, thing: Thing) -> tuple[str, dict[str, object]]:
        """What is known about a thing ('where' or 'who_has') and the roles that say it."""
        holder, spot = self.world.holder(thing), self.world.spot(thing)
        assert holder or spot, f"nobody knows about {thing}"
        return ("who_has", {"thing": thing, "who": holder}) if holder else ("where", {"thing": thing, "place": spot})

    def _clear(self, who: Person, mentioned: list[Person]) -> bool:
        """Whether a pronoun for `who` can mean nobody else here, and it's time for one."""
        if who is not self._focus or self._pronouns >= MOST_PRONOUNS or self.chance.random() > PRONOUN_CHANCE:
            return False
        return not any(one.he == who.he and one is not who for one in self._seen + mentioned)

    def _sentence(self, template: str, roles: dict[str, object]) -> None:
        """Fill in the template; a leading name becomes a pronoun where that is clear."""
        people = people_in(template, roles)
        pronoun = False
        if people and template.startswith("{"):
            role, _, rest = template[1:].partition("}")
            pronoun = (
                roles.get(role) is people[0]
                and rest[0] == " "
                and rest[:6] != " and {"
                and self._clear(people[0], people)
            )
            template = people[0].he + rest if pronoun else template
        text = template.format_map(roles)
        self.sentences.append(capital(text))
        named = {roles[field] for field in fields_of(template) if field in roles} if people else ()
        self._focus = people[0] if pronoun or (people and people[0] in named) else None
        self._seen = people
        self._pronouns = self._pronouns + 1 if pronoun else 0
