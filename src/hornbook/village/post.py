"""The village's post: letters from one person to another, and notices that want something of everybody.

Both are about the same people, things, places, goods and prices, so no single word tells one from the other: a letter
may speak of coins and of the market, and a notice may call its reader dear friend.
"""

import random
from dataclasses import dataclass

from hornbook.randomness import key, python_random
from hornbook.village.casting import ANY, Cast, draw_cast
from hornbook.village.vocabulary import COINS, STONES
from hornbook.village.vocabulary import GOODS as ALL_GOODS

LETTER, NOTICE = "letter", "notice"
GOODS = tuple(goods for goods in ALL_GOODS if goods not in (COINS, STONES))
PARTS_OF_TEN = ("val", "test", *["train"] * 8)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Post:
    """A letter or a notice, and which it is."""

    text: str
    label: str


# {a} writes to {b}; {c} is somebody whom both know
GREETINGS = ("Dear {b}, ", "Dear {b}! ", "My dear {b}, ", "Hello {b}, ", "{b}, ", "Good morning {b}, ", "")
LETTER_LINES = (
    "thank you for {thing}, I have it with me every day.",
    "did you leave {thing} {place.at}? I found one that looks like yours.",
    "{c} and I went to {place} and thought of you.",
    "I have {n} for you. Come and fetch them when you like.",
    "can you lend me {thing} until {day}?",
    "{c} says that you were not well. Is it better now?",
    "I owe you {coins} for {goods}, and I will bring them on {day}.",
    "I was cross yesterday, and I am sorry for it.",
    "the {animal} is well again and eats out of my hand.",
    "will you come to {place} with me on {day}? {c} comes too.",
    "my mother bakes on {day}, and there is always too much.",
    "I saw {goods} at the fair for {coins} and thought that was dear.",
    "{c} won the race, but only because I let go of the rope.",
    "you left without a word, and I wondered why.",
    "it rains here all day, so I mend {thing} and sing.",
    "please tell {c} that {thing} is safe with me.",
    "when you are back, we shall go to {place} again.",
    "I could not find {place} in the fog and went home.",
)
CLOSINGS = ("Your {a}", "Yours, {a}", "Love, {a}", "See you on {day}! {a}", "{a}", "Write soon. {a}", "")
CALLS = (
    "Only on {day}! ", "Hear, hear! ", "Dear friends, ", "Good news for all! ", "Do not miss this! ", "Last chance! ",
    "To everybody in the village: ", "You have won! ", "Dear neighbour, ", "", "",
)  # fmt: skip
NOTICE_LINES = (
    "{n} for {coins} {place.at}.",
    "buy two {things}, and the third costs you nothing.",
    "the best {goods} of the year wait for you {place.at}.",
    "who comes to {place} before noon gets {thing.a} for nothing.",
    "bring {coins} and you may win {thing.a}!",
    "your name was drawn: fetch {thing.a} {place.at} today.",
    "{c} pays {coins} for every old {thing.noun}.",
    "never again will {goods} be so cheap.",
    "all must go, even {thing.a}, at half the price.",
    "send {coins} to {place} and learn how to be rich by {day}.",
    "a {thing.noun} like this you have never seen, and only {coins}!",
    "tell three friends of it and get one {one} more.",
    "{c} bought {goods} here and was glad.",
    "come on {day}, come early, come with a full purse.",
    "there are only {few} left, so run!",
    "no {goods}, no coins back? We give you both.",
    "you have {few} days to say yes to this offer.",
    "ask {c}, who made {coins} in a week.",
)
CLOSERS = (
    "Come now!", "{a}, {place.at}", "Ask for {a}.", "It costs you nothing to look.", "First come, first served.",
    "Yours, {a}", "See you on {day}!", "", "",
)  # fmt: skip


def post(seed: int, part: str, index: int) -> Post:
    """Letter or notice `index` of a part, as many of one as of the other; a pure function of its arguments.

    Every text belongs to one part, by a hash of its words alone, so whatever the seed no two parts share one.
    """
    chance = python_random(seed, f"village post {part}", index)
    label = chance.choice((LETTER, NOTICE))
    while True:
        text = write(chance, draw_cast(chance, part, ANY), label)
        if PARTS_OF_TEN[key(0, f"village post/{text}") % 10] == part:
            return Post(text, label)


def write(chance: random.Random, cast: Cast, label: str) -> str:
    """One letter or notice: a beginning, two or three lines, perhaps an end."""
    begin, lines, end = (GREETINGS, LETTER_LINES, CLOSINGS) if label == LETTER else (CALLS, NOTICE_LINES, CLOSERS)
    said = chance.sample(lines, chance.randint(2, 3))
    pieces = [chance.choice(begin), *(f"{line} " for line in said), chance.choice(end)]
    return _clean([piece.format(**_roles(chance, cast)) for piece in pieces])


def _roles(chance: random.Random, cast: Cast) -> dict[str, object]:
    """What the gaps of one line are filled with: each line has its own goods, prices and day."""
    goods = chance.choice(GOODS)
    thing, place = chance.choice((cast.thing, cast.other)), chance.choice((cast.place, cast.there))
    plural = f"{thing.noun}{'es' if thing.noun[-1] == 'x' else 's'}"
    return {
        "a": cast.a, "b": cast.b, "c": cast.c, "thing": thing, "things": plural, "place": place,
        "animal": cast.animal.noun, "goods": goods, "one": goods.one, "n": goods.count(chance.randint(2, 12)),
        "coins": COINS.count(chance.randint(1, 9)), "few": chance.choice(("two", "three", "four", "five")),
        "day": chance.choice(DAYS),
    }  # fmt: skip


def _clean(pieces: list[str]) -> str:
    """One line of text: a capital where it begins and behind every end of a sentence."""
    text = ""
    for piece in pieces:
        begins = not text.strip() or text.rstrip()[-1] in ".!?"
        text += piece[:1].upper() + piece[1:] if begins else piece
    return text.strip()
