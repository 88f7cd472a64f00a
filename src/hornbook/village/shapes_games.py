"""Races, hiding, throwing and guessing."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.vocabulary import NUMBERS, STONES
from hornbook.village.world import Arrive, Be, Gain, Give, Go, Order, Own, Put, Spend, Take


def race(t: Telling, c: Cast) -> None:
    """Three run to a place; the first gets the prize."""
    t.open()
    t.do(
        Own(c.d, c.thing),
        "There was a race, and {d} kept {thing.a} as the prize.",
        "{d} had {thing.a} for the winner of the race.",
    )
    t.tell(
        "{a}, {b} and {c} wanted to run.",
        "{a} and {b} tied their shoes, and so did {c}.",
        "Three of them lined up: {a}, {b} and {c}.",
    )
    t.speak(c.d, "Run to {place}!", "Ready, steady, go!", "Whoever is first {place.at} shall have it!")
    order = [c.a, c.b, c.c]
    t.chance.shuffle(order)
    t.name(first=order[0], second=order[1], last=order[2])
    t.tell(
        "{second} led at the start but then fell over a root.",
        "{last} fell behind, and {second} got tired.",
        "At the bend {first} and {second} ran side by side.",
    )
    t.do(
        Arrive(tuple(order), c.place),
        "{first} was first {place.at}, then came {second}, and {last} was last.",
        "{first} won and was first {place.at}, just before {second}; {last} came last.",
    )
    t.do(Give(c.d, order[0], c.thing), "{d} gave {thing} to {first}.", "With a bow {d} gave {first} {thing}.")
    if order[0] is c.a:
        t.feel(c.a, "proud", "the race was won", "nobody had run faster")
    elif order[1] is c.a:
        t.feel(c.a, "calm", "second was not bad at all", "it was only a game")
    else:
        t.feel(c.a, t.pick("sad", "cross"), "the others were faster", "it was no good to be last")
    t.close(c.thing)


def hide_and_seek(t: Telling, c: Cast) -> None:
    """One counts, two hide; one of them is found at once and the other not for a long time."""
    t.open()
    t.speak(c.b, "Let us play hide and seek!", "You count to twenty, {a}, and we hide!", "{a} must look for us!")
    t.tell("{a} shut {a.his} eyes and counted slowly.", "{a} turned to the wall and counted to twenty.")
    t.do(Go(c.b, c.place), "{b} slipped away to {place}.", "On tiptoe {b} ran to {place}.")
    t.do(Go(c.c, c.there), "{c} chose {there} and crouched down.", "{c} hurried to {there} and kept still.")
    t.aside(0.7)
    t.quietly(Own(c.b, c.thing))
    first, last = t.pick((c.b, c.c), (c.c, c.b))
    t.name(first=first, last=last)
    t.do(
        Order((first, last), "found first"),
        "{first} was found first, because {first.he} had to sneeze.",
        "{first} was found first, because a foot stuck out.",
    )
    t.tell("But {last} was nowhere to be seen.", "It took much longer to find {last}.")
    t.speak(c.a, "I give up, come out!", "Where can {last} be?", "I have looked everywhere!")
    t.tell("A laugh told {a} where to look.", "Then something moved, and the game was over.")
    t.do(
        Put(c.b, c.thing, c.place),
        "In the hurry {b} forgot {thing.a} {place.at}.",
        "{b} left {thing.a} {place.at}, right where {b.he} had been hiding.",
    )
    t.feel(
        c.a,
        *t.pick(
            ("glad", "everybody was found", "it was a good game"),
            ("proud", "in the end nobody could hide from {a.him}", "it was a hard game"),
        ),
    )
    t.close(c.thing)


def stuck_up_high(t: Telling, c: Cast) -> None:
    """A toy lands on a roof or in a tree."""
    t.open()
    t.do(Be(c.a, c.place), "{a} played {place.at} with {b}.", "{a} and {b} met to play {place.at}.")
    t.quietly(Be(c.b, c.place), Own(c.a, c.thing))
    high = "roof" if c.place.indoors else "tree"
    t.do(
        Put(c.a, c.thing, c.place),
        f"{{a}} threw {{thing.a}} too high, and it stuck on the {high}."
        if high == "roof"
        else "{a} threw {thing.a} too high, and it stuck in a tree.",
        f"By mistake {{a}} threw {{thing.a}} up high, and a branch of the {high} caught it."
        if high == "tree"
        else "By mistake {a} threw {thing.a} up high, and it did not come down from the roof again.",
    )
    t.speak(c.b, "Do not climb, it is too high!", "Oh dear, how do we get {thing} down?", "Shake it, {a}!")
    t.tell("They threw sticks, but {thing} did not move.", "They jumped and jumped, but it was no use.")
    t.aside(0.7)
    if t.maybe(0.6):
        t.tell("Then {c} came with a long pole.", "{c}, who was taller, heard the noise and came.")
        t.do(
            Take(c.c, c.thing, c.place),
            "{c} reached up and took {thing} down.",
            "One push, and {c} had {thing} in both hands.",
        )
        t.do(Give(c.c, c.a, c.thing))
        t.speak(c.a, "Hooray!", "Thank you, {c}!")
        t.feel(c.a, "glad", "{thing} came down in one piece", "{c} knew what to do")
    else:
        t.tell("At dusk they had to give up.", "Nobody had a pole, and it grew late.")
        t.feel(c.a, *t.pick(("sad", "{thing} was still up there"), ("cross", "it was such a silly throw")))
    t.close(c.thing)


def little_boats(t: Telling, c: Cast) -> None:
    """Boats of bark race on the stream."""
    t.open()
    t.tell("The stream was full after the rain.", "Water ran quick and loud beside the road.")
    t.tell("{a}, {b} and {c} made little ships out of bark.", "{a} and {b} and {c} folded ships out of paper.")
    t.do(
        Own(c.a, c.thing),
        "{a} kept {thing.a} close by, for luck.",
        "{a} had {thing.a} with {a.him} and guarded it well.",
    )
    t.speak(c.b, "Mine has the biggest sail!", "Mine will win, you will see!", "On three we let go!")
    t.aside(0.6)
    order = [c.a, c.b, c.c]
    t.chance.shuffle(order)
    t.name(first=order[0], second=order[1], last=order[2])
    t.tell("The ship of {last} turned over and sank.", "A swan swam in the way of {last}.")
    t.do(
        Order(tuple(order), "first across the water"),
        "{first} was first across the water; {second} came after.",
        "{first} was first across the water, and {second} came next.",
    )
    t.speak(c.c, "Again, again!", "What a race!", "Let us build better ones!")
    t.do(
        Put(c.a, c.thing, c.place),
        "Afterwards {a} left {thing} {place.at} to dry.",
        "{a} ran off to tell the others and left {thing} {place.at}.",
    )
    if order[0] is c.a:
        t.feel(c.a, "proud", "{a.his} ship was the best", "it had sailed so well")
    else:
        t.feel(c.a, t.pick("glad", "calm"), "the sun was out and the water sang", "there was time for another race")
    t.close(c.thing)


def pile_of_stones(t: Telling, c: Cast) -> None:
    """Who can build the higher pile? Stones are counted."""
    t.open()
    t.do(
        Be(c.a, c.place),
        "{a} sat {place.at} and looked at the stones on the ground.",
        "{a} and {b} had an hour to play {place.at}.",
    )
    t.speak(c.b, "Who can build the higher pile?", "I can build higher than you!", "Let us build piles of stones!")
    mine, yours = t.number(5, 9), t.number(3, 8)
    yours += yours >= mine
    t.do(
        Gain(c.a, mine, STONES),
        "{a} put {n} on top of each other.",
        "With care {a} set up {n}, flat ones below and round ones above.",
    )
    t.do(Gain(c.b, yours, STONES), "{b} used {n}.", "Next to it {b} built with {n}.")
    t.aside(0.7)
    t.do(
        Own(c.c, c.thing),
        "{c} came to look, with {thing.a} in one hand.",
        "{c} walked up with {thing.a} to be the judge.",
    )
    if t.maybe(0.5):
        t.do(
            Spend(c.a, 2, STONES),
            "A gust of wind took two stones from the pile of {a}.",
            "Then {n} fell down from the pile of {a}.",
        )
        mine -= 2
        t.tell("Now {a} had {left} stones, and {b} had {more}.", left=NUMBERS[mine], more=NUMBERS[yours])
    if mine > yours:
        t.speak(c.c, "{a} is the winner!", "The pile of {a} is higher!")
        t.do(Give(c.c, c.a, c.thing), "So {c} gave {thing} to {a}.")
        t.feel(c.a, "proud", "the pile was so high", "it stood so straight")
    elif mine < yours:
        t.speak(c.c, "{b} is the winner!", "The pile of {b} is higher!")
        t.do(Give(c.c, c.b, c.thing), "So {c} gave {thing} to {b}.")
        t.feel(
            c.a,
            *t.pick(("cross", "it was a close thing", "{b} would not stop laughing"), ("sad", "the pile was too low")),
        )
    else:
        t.speak(c.c, "They are the same!")
        t.feel(c.a, "calm", "nobody had lost")
    t.close(c.thing)


def what_is_it(t: Telling, c: Cast) -> None:
    """A guessing game: something is under a cloth."""
    t.open()
    t.do(
        Own(c.b, c.thing),
        "{b} had something under a cloth, and it was {thing.a}, but {a} did not know that.",
        "Nobody knew that {b} had {thing.a} under a cloth.",
    )
    t.do(
        Be(c.a, c.place),
        "{a} was {place.at} and loved to guess.",
        "They sat down {place.at}, {a} on a bench and {b} on the floor.",
    )
    t.speak(c.b, "Guess what I have here!", "Three guesses, and it is yours!", "What do you think it is?")
    t.speak(c.a, "Is it alive?", "Can you eat it?", "Is it soft or hard?")
    t.speak(c.b, "No, guess again.", "Not at all!", "You are cold, very cold.")
    t.aside(0.7)
    if t.maybe(0.6):
        t.tell("{a} touched the cloth with one finger and thought hard.", "{a} closed {a.his} eyes and felt its edge.")
        t.speak(c.a, "It is {thing.a}!", "It must be {thing.a}!")
        t.do(
            Give(c.b, c.a, c.thing), "That was right, and {b} gave {thing} to {a}.", "{b} laughed and gave {a} {thing}."
        )
        t.feel(c.a, t.pick("proud", "glad"), "the guess was right", "it was a hard riddle")
    else:
        t.tell("{a} guessed a shoe, a cake and a fish.", "Three times {a} guessed, and three times it was wrong.")
        t.do(
            Put(c.b, c.thing, c.there),
            "So {b} carried {thing} to {there} and left it there.",
            "Then {b} took {thing} away and put it {there.at}.",
        )
        t.feel(c.a, "cross", "all the guesses were wrong", "{b} had laughed so loudly")
    t.close(c.thing)


SHAPES = (
    Shape(race),
    Shape(hide_and_seek),
    Shape(stuck_up_high, Needs(thing="toy")),
    Shape(little_boats),
    Shape(pile_of_stones),
    Shape(what_is_it),
)
