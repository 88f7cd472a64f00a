"""Music, lessons, reading and a stage."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.vocabulary import NUMBERS, NUTS, STONES
from hornbook.village.world import Be, Gain, Give, Go, Lend, Order, Own, Put, Share


def music_evening(t: Telling, c: Cast) -> None:
    """A concert; somebody has no instrument, or plays badly."""
    t.open()
    t.tell("There was to be music and dancing that night.", "The whole village came to hear music.")
    t.do(
        Be(c.a, c.place),
        "{a} was {place.at}, where the lamps were lit.",
        "{place.at} the chairs stood in rows, and {a} sat in the first.",
    )
    t.do(
        Own(c.b, c.thing),
        "{b} had {thing.a} and practised one song again and again.",
        "{b} tuned up with {thing.a} in hand.",
    )
    t.aside(0.7)
    t.speak(c.c, "Quiet, it begins!", "Who will play first?", "Hush, everybody!")
    if t.maybe(0.6):
        t.tell("But {b} got a sore finger and could not play.", "But {b} was so shy that not a note came out.")
        t.do(Give(c.b, c.a, c.thing), "So {b} gave {thing} to {a}.", "{b} looked around and gave {a} {thing}.")
        t.tell("{a} had never played before so many people.", "{a} began slowly and then grew bold.")
        t.feel(c.a, t.pick("proud", "glad"), "they all sang along", "nobody wanted to go home")
    else:
        t.tell("{b} played so softly that one could hear the crickets.", "It was a slow song about the sea.")
        t.do(
            Put(c.b, c.thing, c.there),
            "Late that night {b} left {thing} {there.at}.",
            "Afterwards {b} carried {thing} to {there} and left it there.",
        )
        t.feel(c.a, t.pick("calm", "sad"), "the song was so slow and deep", "the music was over too soon")
    t.close(c.thing)


def lesson(t: Telling, c: Cast) -> None:
    """One teaches the other something."""
    t.open()
    skill = t.pick("swim", "dance", "ride", "read", "skate", "knit", "draw horses", "tie knots")
    t.name(skill=skill)
    t.tell(
        "{a} wanted to learn to {skill}.",
        "Everybody could {skill}, only {a} could not.",
        "{a} had always wanted to {skill}.",
    )
    t.do(
        Own(c.b, c.thing),
        "{b} knew how to do it and had {thing.a} for those who tried hard.",
        "{b} had {thing.a} as a prize for good pupils.",
    )
    t.do(
        Be(c.b, c.place), "The first lesson was {place.at}, where {b} waited.", "{b} was {place.at} every day at four."
    )
    t.do(Go(c.a, c.place), "{a} came to {place} with a beating heart.", "At four {a} went to {place}.")
    t.speak(c.b, "Watch me first.", "Nobody can do it at once.", "Try it again, and slowly!")
    t.speak(c.a, "I will never learn it!", "Like this?", "Show me once more, please.")
    t.aside(0.7)
    if t.maybe(0.7):
        t.tell("After a week {a} could do it.", "On the fifth day it worked, all of a sudden.")
        t.do(Give(c.b, c.a, c.thing), "{b} gave {thing} to {a}.", "So {b} gave {a} {thing}.")
        t.feel(c.a, "proud", "{a.he} could {skill} now", "it had been so hard")
    else:
        t.tell("But {a} only wanted to talk and did not listen.", "It rained, it was late, and nothing worked.")
        t.do(
            Put(c.b, c.thing, c.there),
            "{b} carried {thing} to {there} and left it there for another day.",
            "{b} put {thing} away {there.at}.",
        )
        t.feel(c.a, t.pick("cross", "sad"), "it would not work", "the prize was gone")
    t.close(c.thing)


def reading_aloud(t: Telling, c: Cast) -> None:
    """A story is read, and somebody falls asleep."""
    t.open()
    t.name(tale=t.pick("a giant", "a brave mouse", "a queen", "a whale", "two brothers", "a lost star"))
    t.do(
        Be(c.a, c.place),
        "In the evening {a} sat {place.at} and read aloud.",
        "{a} read a story {place.at}, for all who could not sleep.",
    )
    t.tell("It was the story of {tale}.", "The story was about {tale}.")
    t.do(
        Be(c.b, c.place),
        "{b} was {place.at} too and held {thing.a} tight.",
        "{b} came to {place} and brought {thing.a}.",
    )
    t.quietly(Own(c.b, c.thing))
    t.speak(c.b, "What happens next?", "Do not stop now!", "Read it again, {a}!")
    t.aside(0.7)
    t.tell("Page after page went by, and the candle grew short.", "The fire crackled, and it was warm.")
    first, last = t.pick((c.b, c.c), (c.c, c.b))
    t.name(first=first, last=last)
    t.do(
        Order((first, last), "first to fall asleep"),
        "{first} was first to fall asleep, before the good part.",
        "{first} was first to fall asleep, and {last} snored soon after.",
    )
    t.do(
        Put(c.b, c.thing, c.place),
        "{thing} slipped from the hands of {b} and stayed {place.at}.",
        "When they were carried to bed, {thing} of {b} stayed {place.at}.",
    )
    if t.maybe(0.6):
        t.feel(c.a, "calm", "it was so still", "it was a good story")
    else:
        t.feel(c.a, "cross", "nobody heard the end", "nobody had listened")
    t.close(c.thing)


def learning_to_count(t: Telling, c: Cast) -> None:
    """Counting with nuts or stones."""
    t.open()
    goods = t.pick(NUTS, STONES)
    t.name(goods=goods)
    number = t.number(4, 9)
    gift = t.number(1, number - 2)
    t.do(Be(c.a, c.place), "{a} sat {place.at} and learned to count.", "{a} had to learn numbers and sat {place.at}.")
    t.do(
        Own(c.b, c.thing),
        "{b} was the teacher and had {thing.a} with {b.him}.",
        "{b}, who could count already, had {thing.a}.",
    )
    t.do(Gain(c.a, number, goods), "On the table {a} had {n}.", "{a} had {n} to count with.")
    t.speak(c.b, "If you give me some, how many do you keep?", "Now give me a few and count again!")
    t.do(Share(c.a, c.b, gift, goods), "{a} gave {n} to {b}.", "{a} gave {b} {n}.")
    t.aside(0.6)
    rest = NUMBERS[number - gift]
    if t.maybe(0.7):
        t.speak(c.a, "Then I have {left}!", "I keep {left}!", left=rest)
        t.tell("That was right.", "{a} had counted well.", "It was the right answer.")
        t.do(Give(c.b, c.a, c.thing), "{b} gave {thing} to {a} as a prize.", "So {b} gave {a} {thing}.")
        t.feel(c.a, t.pick("proud", "glad"), "the answer was right", "counting was easy now")
    else:
        t.speak(c.b, "You have {left}, for you can see them!", "Look, there are {left}!", left=rest)
        t.tell("{a} had said a wrong number three times.", "{a} had counted one of them twice.")
        t.do(
            Give(c.b, c.c, c.thing),
            "The prize went to somebody else: {b} gave {thing} to {c}.",
            "So {b} gave {c} {thing}.",
        )
        t.feel(c.a, t.pick("cross", "sad"), "numbers were so hard", "the answer was wrong")
    t.close(c.thing)


def on_the_stage(t: Telling, c: Cast) -> None:
    """A play, a costume, and stage fright."""
    t.open()
    t.name(part=t.pick("king", "bear", "wolf", "moon", "captain", "robber"))
    t.do(
        Be(c.a, c.place),
        "The children put on a play {place.at}, and {a} was the {part}.",
        "{a} was to be the {part} in a play {place.at}.",
    )
    t.quietly(Own(c.c, c.thing))
    t.do(
        Lend(c.c, c.a, c.thing),
        "For that {c} lent {thing.a} to {a}.",
        "{c} lent {a} {thing.a}, without which there is no {part}.",
    )
    t.tell(
        "Behind the curtain {a} could not stand still.",
        "{a} said the words again and again.",
        "{b} painted the faces with red and black.",
    )
    t.speak(c.a, "I have forgotten all my words!", "What if they laugh at me?")
    t.speak(c.b, "Look at me, and say it to me!", "Take a deep breath!", "You know it by heart.")
    t.aside(0.6)
    if t.maybe(0.65):
        t.tell(
            "Then the curtain went up, and the words came by themselves.",
            "{a} spoke so well that two babies stopped crying.",
        )
        t.do(
            Give(c.a, c.c, c.thing),
            "After the play {a} gave {thing} back to {c}.",
            "{a} bowed and gave {thing} back to {c}.",
        )
        t.feel(c.a, "proud", "they clapped for so long", "not one word was missing")
    else:
        t.tell(
            "But {a} stood there with an open mouth and said nothing.",
            "But the words were gone, and nobody could help.",
        )
        t.do(
            Put(c.a, c.thing, c.there),
            "{a} ran off and threw {thing} down {there.at}.",
            "Then {a} ran out and left {thing} {there.at}.",
        )
        t.feel(c.a, t.pick("sad", "cross"), "the play was spoiled", "{a.his} head had been empty")
    t.close(c.thing)


SHAPES = (
    Shape(music_evening, Needs(thing="music")),
    Shape(lesson),
    Shape(reading_aloud, Needs(place="indoors")),
    Shape(learning_to_count),
    Shape(on_the_stage, Needs(thing="wear")),
)
