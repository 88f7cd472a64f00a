"""Who and what there is in the village: people, places, things, animals and goods to count, in short, common words."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a name; `he`, `him`, `his` hold the pronouns that fit: Nora's are she, her, her."""

    name: str
    he: str
    him: str
    his: str
    child: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to be: `the mill`, with its preposition (`at the mill`) and whether it has a roof."""

    noun: str
    preposition: str
    indoors: bool

    def __str__(self) -> str:
        return f"the {self.noun}"

    @property
    def at(self) -> str:
        """Being there: 'at the mill', 'by the pond'."""
        return f"{self.preposition} the {self.noun}"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to carry, or an animal to lead: `the kite` once it is known, `a red kite` when it first appears."""

    noun: str
    kind: str = ""  # toy, tool, music, wear, carrier, dish, home; of an animal: small, big
    adjective: str = ""

    def __str__(self) -> str:
        return f"the {self.noun}"

    @property
    def a(self) -> str:
        """The first mention: 'a red kite', 'an umbrella'."""
        words = f"{self.adjective} {self.noun}" if self.adjective else self.noun
        return f"{article(words)} {words}"

    @property
    def own(self) -> str:
        """What follows a possessive at the first mention: 'red kite'."""
        return f"{self.adjective} {self.noun}" if self.adjective else self.noun

    def described(self, adjective: str) -> "Thing":
        """The same thing with an adjective at its first mention."""
        return replace(self, adjective=adjective)


@dataclass(frozen=True, slots=True)
class Goods:
    """Something that comes by number: one egg, two eggs."""

    one: str
    many: str

    def __str__(self) -> str:
        return self.many

    def count(self, number: int) -> str:
        """3 -> 'three eggs', 1 -> 'one egg'."""
        return f"{NUMBERS[number]} {self.one if number == 1 else self.many}"


def article(words: str) -> str:
    """The article before `words`: 'old map' -> 'an', 'useful box' -> 'a'."""
    return "an" if words[0] in "aeio" or words.startswith(("um", "ug", "up")) else "a"


def words(row: str) -> list[str]:
    """A table row of single words: 'Nora Mia' -> ['Nora', 'Mia']."""
    return row.split()


GIRLS = words("Nora Mia Ada Lily Ruth Ivy Clara Elsa Hana Rosa Zoe Wilma")
BOYS = words("Tom Ben Otto Sam Finn Hugo Max Leo Ned Jack Karl Omar")
PEOPLE = (
    *(Person(name, "she", "her", "her", "girl") for name in GIRLS),
    *(Person(name, "he", "him", "his", "boy") for name in BOYS),
)

INDOORS = "at mill, in barn, at school, at bakery, at inn, in shed, in tower, in stable"
OUTDOORS = "by fountain, on bridge, in garden, at market, in orchard, in meadow, on hill, by pond"
PLACES = tuple(
    Place(noun, preposition, indoors)
    for row, indoors in ((INDOORS, True), (OUTDOORS, False))
    for preposition, noun in (entry.split() for entry in row.split(", "))
)

THING_ROWS = {
    "toy": "kite ball doll hoop",
    "tool": "hammer rope broom ladder spade net",
    "music": "drum flute whistle bell fiddle",
    "wear": "hat scarf coat umbrella",
    "carrier": "basket bucket box",
    "dish": "jug pot jar",
    "home": "lantern book map key mirror blanket ring puzzle boat",
}
THINGS = tuple(Thing(noun, kind) for kind, row in THING_ROWS.items() for noun in row.split())
ADJECTIVES = words("red blue green yellow old new little big brown white")

ANIMALS = tuple(
    Thing(noun, kind)
    for kind, row in (("small", "cat duck hen rabbit"), ("big", "dog goat lamb pony"))
    for noun in row.split()
)
APPLES, PEARS, PLUMS, CHERRIES, NUTS, CARROTS, EGGS, BUNS, STONES, COINS, SEEDS, FLOWERS = (
    Goods(*row.split("/"))
    for row in words(
        "apple/apples pear/pears plum/plums cherry/cherries nut/nuts carrot/carrots "
        "egg/eggs bun/buns stone/stones coin/coins seed/seeds flower/flowers"
    )
)
FRUIT = (APPLES, PEARS, PLUMS, CHERRIES)
GOODS = (*FRUIT, NUTS, CARROTS, EGGS, BUNS, STONES, COINS, SEEDS, FLOWERS)
NUMBERS = words("no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen")
CHEERFUL = ("glad", "proud", "calm")
GLOOMY = ("sad", "cross")
FEELINGS = CHEERFUL + GLOOMY
