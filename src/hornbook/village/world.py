"""The world of the village: who is where, who holds what, how many, and how everybody feels.

Events are the only way to change it, and each is checked against what is true before it: nobody gives away what
they do not hold. The history is kept, so every later question is answered from the simulation and never from text.

    world = World()
    world.apply(Own(nora, kite)); world.apply(Give(nora, tom, kite))
    world.holder(kite) -> tom;  world.spot(kite) -> None, because it lies nowhere while somebody holds it
"""

from dataclasses import dataclass, field

from hornbook.village.vocabulary import Goods, Person, Place, Thing


@dataclass(frozen=True, slots=True)
class Be:
    """Somebody is at a place as the story begins, or is said to be there."""

    who: Person
    place: Place


@dataclass(frozen=True, slots=True)
class Go:
    """Somebody goes to a place, with all that they hold."""

    who: Person
    place: Place


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody goes home or out of sight: from now on nobody can say where they are."""

    who: Person


@dataclass(frozen=True, slots=True)
class Lie:
    """A thing (or an animal) is at a place, held by nobody."""

    thing: Thing
    place: Place


@dataclass(frozen=True, slots=True)
class Own:
    """Somebody has a thing as the story begins."""

    who: Person
    thing: Thing


@dataclass(frozen=True, slots=True)
class Take:
    """Somebody picks up a thing that lies at a place."""

    who: Person
    thing: Thing
    place: Place


@dataclass(frozen=True, slots=True)
class Find(Take):
    """Somebody picks up a thing that was lost or hidden."""


@dataclass(frozen=True, slots=True)
class Put:
    """Somebody leaves a thing that they hold at a place."""

    who: Person
    thing: Thing
    place: Place


@dataclass(frozen=True, slots=True)
class Lose(Put):
    """Somebody drops a thing without seeing it."""


@dataclass(frozen=True, slots=True)
class Give:
    """Somebody hands a thing to somebody else, who holds it from then on."""

    who: Person
    to: Person
    thing: Thing


@dataclass(frozen=True, slots=True)
class Lend(Give):
    """A gift for a while."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Somebody picks, bakes, buys or gets a number of goods."""

    who: Person
    number: int
    goods: Goods


@dataclass(frozen=True, slots=True)
class Share:
    """Somebody hands some of their goods to somebody else."""

    who: Person
    to: Person
    number: int
    goods: Goods


@dataclass(frozen=True, slots=True)
class Spend:
    """Somebody eats, sells, drops or uses up some of their goods."""

    who: Person
    number: int
    goods: Goods


@dataclass(frozen=True, slots=True)
class Arrive:
    """Several people come to a place one after the other, the first first."""

    order: tuple[Person, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Order:
    """Several people do the same one after the other; `deed` follows 'was': 'found first', 'the first to finish'."""

    order: tuple[Person, ...]
    deed: str


@dataclass(frozen=True, slots=True)
class Feel:
    """Somebody has a feeling, and `why` is the clause that follows 'because'."""

    who: Person
    feeling: str
    why: str


Event = Be | Go | Leave | Lie | Own | Take | Put | Give | Gain | Share | Spend | Arrive | Order | Feel


@dataclass(slots=True)
class World:
    """What is true now, and the events that made it so."""

    places: dict[Person, Place] = field(default_factory=dict)
    things: dict[Thing, Person | Place] = field(default_factory=dict)
    counts: dict[tuple[Person, Goods], int] = field(default_factory=dict)
    feelings: dict[Person, Feel] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)

    def holder(self, thing: Thing) -> Person | None:
        """Who has it now, if anybody."""
        where = self.things.get(thing)
        return where if isinstance(where, Person) else None

    def spot(self, thing: Thing) -> Place | None:
        """The place where it lies now, if nobody holds it."""
        where = self.things.get(thing)
        return where if isinstance(where, Place) else None

    def apply(self, event: Event, told: bool = True) -> None:
        """Make `event` true. An event that cannot happen now is a programmer's mistake (AssertionError).

        What is not told in so many words stays out of the history: nobody can be asked about it.
        """
        match event:
            case Be(who, place) | Go(who, place):
                self.places[who] = place
            case Leave(who):
                self.places.pop(who, None)
            case Lie(thing, place):
                self.things[thing] = place
            case Own(who, thing):
                assert thing not in self.things, f"{thing} is somewhere already"
                self.things[thing] = who
            case Take(who, thing, place):
                assert self.things.get(thing) == place, f"{thing} is not {place.at}"
                self.things[thing] = who
                self._reach(who, place)
            case Put(who, thing, place):
                assert self.things.get(thing) == who, f"{who} does not hold {thing}"
                self.things[thing] = place
                self.places.pop(who, None)  # who leaves something behind goes on, nobody says where to
            case Give(who, to, thing):
                assert self.things.get(thing) == who, f"{who} does not hold {thing}"
                self.things[thing] = to
                self._reach(who, self.places.get(to))
            case Arrive(order, place):
                self.places.update(dict.fromkeys(order, place))
            case Feel(who):
                self.feelings[who] = event
            case Gain() | Share() | Spend():
                self._count(event)
        if told:
            self.history.append(event)

    def _reach(self, who: Person, place: Place | None) -> None:
        """Who does something elsewhere than where they were has left, and nobody said where they went afterwards."""
        if place is not None and self.places.get(who) != place:
            self.places.pop(who, None)

    def _count(self, event: Gain | Share | Spend) -> None:
        """Numbers change hands; nobody can part with more than they have."""
        mine = self.counts.get((event.who, event.goods), 0)
        change = event.number if isinstance(event, Gain) else -event.number
        assert mine + change >= 0, f"{event.who} has only {mine} {event.goods}"
        self.counts[event.who, event.goods] = mine + change
        if isinstance(event, Share):
            self.counts[event.to, event.goods] = self.counts.get((event.to, event.goods), 0) + event.number
