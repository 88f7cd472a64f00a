"""Mending, carrying, building, planting, painting."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.vocabulary import FLOWERS, SEEDS
from hornbook.village.world import Arrive, Be, Gain, Give, Go, Lend, Order, Own, Put, Spend, Take


def mending(t: Telling, c: Cast) -> None:
    """A thing breaks; somebody who knows how mends it, or cannot."""
    t.open()
    t.do(Own(c.a, c.thing), "{a} had {thing.a} and used it every day.", "{a} was fond of {a.his} {thing.own}.")
    t.tell(
        "One day it fell down and broke.", "But {a} dropped it, and it broke in two.", "Then there was a loud crack."
    )
    t.speak(c.a, "Can anybody mend it?", "Oh no, {thing} is broken!", "What shall I do now?")
    t.do(
        Go(c.a, c.place), "{a} carried it to {place}, where {b} was at work.", "{a} ran to {place} to ask {b} for help."
    )
    t.quietly(Be(c.b, c.place))
    t.do(Give(c.a, c.b, c.thing), "{a} gave {thing} to {b}.", "With wet eyes {a} gave {b} {thing}.")
    t.aside(0.7)
    t.tell("{b} turned it around and thought about it.", "{b} fetched glue, string and a nail.")
    if t.maybe(0.65):
        t.tell("An hour later it was as good as new.", "{b} worked until it was whole again.")
        if t.maybe(0.4):
            t.do(
                Put(c.b, c.thing, c.place),
                "{b} left {thing} {place.at} to dry.",
                "It had to dry, so {b} left {thing} {place.at}.",
            )
        else:
            t.do(Give(c.b, c.a, c.thing))
        t.feel(c.a, "glad", "{thing} was whole again", "{b} had such clever hands")
    else:
        t.speak(c.b, "It is too badly broken.", "I am sorry, I cannot do it.")
        t.do(Give(c.b, c.a, c.thing), "{b} gave {thing} back to {a}.")
        t.do(
            Put(c.a, c.thing, c.there),
            "{a} carried {thing} to {there} and left it there for ever.",
            "In the end {a} left {thing} {there.at}.",
        )
        t.feel(c.a, "sad", "{thing} could not be mended", "nobody could help")
    t.close(c.thing)


def helping_carry(t: Telling, c: Cast) -> None:
    """A sack is too heavy for one."""
    t.open()
    t.tell(
        "{a} had a sack of flour that was bigger than {a.he} was.",
        "{a} pulled a sack of potatoes along the road.",
        "{a} had to bring a heavy chest home alone.",
    )
    t.do(Own(c.a, c.thing), "On top of it lay {thing.a} of {a.his} own.", "{a} had {thing.a} to carry as well.")
    t.speak(c.a, "It is too heavy for me!", "My arms hurt already.", "I shall never get there!")
    t.aside(0.5)
    t.tell("{c} passed by and looked the other way.", "{c} said there was no time to help.")
    t.speak(c.b, "Let me take one end!", "Two can carry more than one.", "Give me something to carry!")
    t.do(Give(c.a, c.b, c.thing), "So {a} gave {thing} to {b}.", "First {a} gave {b} {thing}.")
    t.do(
        Go(c.a, c.place),
        "Together {a} and {b} walked to {place}, with a rest now and then.",
        "Step by step {a} and {b} came to {place}.",
    )
    t.quietly(Be(c.b, c.place))
    if t.maybe(0.5):
        t.do(
            Put(c.b, c.thing, c.place),
            "There {b} left {thing} {place.at}.",
            "{b} put {thing} down {place.at} and sighed.",
        )
        t.feel(c.a, t.pick("glad", "calm"), "the work was done", "the sack was where it should be")
    else:
        t.tell("{a} wanted {b} to have something for it.", "{a} thought about a fitting reward.")
        t.speak(c.a, "Keep {thing}, you have earned it!", "{thing} is yours now!")
        t.feel(c.a, "glad", "{b} had not looked away", "there was help in the end")
    t.close(c.thing)


def building(t: Telling, c: Cast) -> None:
    """Something is built with a borrowed tool."""
    t.open()
    t.name(work=t.pick("bench", "hut", "raft", "fence", "cart", "swing"))
    t.do(
        Be(c.a, c.place),
        "{a} wanted to build a {work} {place.at}.",
        "For weeks {a} had planned to build a {work} {place.at}.",
    )
    t.tell("There was wood enough, but not the right tool.", "{a} had boards and nails, but something was missing.")
    t.quietly(Own(c.c, c.thing))
    t.do(Lend(c.c, c.a, c.thing), "{c} lent {thing.a} to {a}.", "Then {c} lent {a} {thing.a}.")
    t.speak(c.c, "Be careful with it!", "Bring it back when you are done.", "It was my father's.")
    t.tell(
        "{b} held the boards, and {a} did the rest.",
        "{a} measured twice, and {b} counted the nails.",
        "They worked until their backs hurt.",
    )
    t.aside(0.7)
    if t.maybe(0.6):
        t.tell("On the third day the {work} was ready.", "In the evening the {work} stood there, straight and strong.")
        t.do(
            Give(c.a, c.c, c.thing),
            "{a} gave {thing} back to {c}.",
            "Then {a} gave {thing} back to {c} with many thanks.",
        )
        t.feel(c.a, "proud", "the {work} was strong", "everybody came to see the {work}")
    else:
        t.do(
            Put(c.a, c.thing, c.there),
            "But {a} forgot {thing} {there.at}.",
            "But one night {a} left {thing} {there.at}.",
        )
        t.speak(c.c, "Where is my {thing.noun}?", "You said you would be careful!")
        t.feel(c.c, "cross", "{a} had forgotten it")
        t.feel(c.a, "sad", "the promise was broken", "{c} did not want to help again")
    t.close(c.thing)


def planting(t: Telling, c: Cast) -> None:
    """Seeds are counted, planted, watered; how many flowers come up?"""
    t.open()
    number = t.number(5, 10)
    t.do(Gain(c.a, number, SEEDS), "{a} had {n} in a little bag.", "In a drawer {a} found {n}.")
    t.do(Go(c.a, c.place), "{a} went to {place}, where the earth was dark and soft.", "With them {a} went to {place}.")
    t.do(Own(c.a, c.thing), "{a} carried water in {thing.a}.", "For the water {a} had {thing.a}.")
    t.do(
        Spend(c.a, number, SEEDS), "{a} put all of them into the ground, one by one.", "{a} planted every one of them."
    )
    t.speak(c.b, "Nothing will come of it!", "How long does it take?", "Did you give them water?")
    t.aside(0.7)
    t.tell("It rained, the sun shone, and it rained again.", "Three weeks went by.", "Every morning {a} went to look.")
    lost = t.number(0, 3)
    t.do(
        Gain(c.a, number - lost, FLOWERS),
        "At last {a} had {n}, blue ones and yellow ones.",
        "Then {a} had {n}, taller than the fence.",
    )
    if lost < 2:
        t.do(
            Put(c.a, c.thing, c.place),
            "{a} left {thing} {place.at}, ready for next year.",
            "{a} left {thing} {place.at} and ran to tell everybody.",
        )
        t.feel(c.a, t.pick("proud", "glad"), "the flowers were so tall", "{b} had been wrong")
    else:
        t.tell("The snails had eaten the rest.", "The birds had taken the others.")
        t.do(Give(c.a, c.b, c.thing), "{a} gave {thing} to {b} and sat down.", "{a} gave {b} {thing} and sighed.")
        t.feel(c.a, t.pick("cross", "sad"), "some had been eaten", "so few were left")
    t.close(c.thing)


def painting(t: Telling, c: Cast) -> None:
    """Two paint two benches; who is done first?"""
    t.open()
    t.name(colour=t.pick("red", "green", "blue", "yellow"))
    t.do(
        Be(c.a, c.place),
        "The benches {place.at} had to be painted, so {a} was there early.",
        "{a} and {b} had to paint two benches {place.at}.",
    )
    t.tell("{c} brought a pail of {colour} paint and two brushes.", "The paint was {colour}, and it smelled of oil.")
    t.do(Own(c.b, c.thing), "{b} put {thing.a} aside and began.", "{b} had {thing.a} along, nobody knew why.")
    t.speak(c.b, "I will be done before you!", "Slow and steady is best.", "Who is quicker?")
    t.aside(0.7)
    first, last = t.pick((c.a, c.b), (c.b, c.a))
    t.name(first=first, last=last)
    t.do(
        Order((first, last), "first to finish"),
        "{first} was first to finish, while {last} still had half to do.",
        "{first} was first to finish, and {last} was still at it at noon.",
    )
    if t.maybe(0.5):
        t.tell(
            "But there was paint on their shirts, on their noses and on the floor.",
            "But {first} had left many white spots.",
        )
        t.do(Give(c.b, c.c, c.thing), "{b} gave {thing} to {c}, to make up for it.")
        t.feel(c.a, *t.pick(("cross", "it all had to be done again"), ("calm", "paint can be washed off")))
    else:
        t.speak(c.c, "Well done, both of you!", "It looks like new!")
        t.do(
            Put(c.b, c.thing, c.there),
            "{b} went off and left {thing} {there.at}.",
            "Later {b} left {thing} {there.at}.",
        )
        t.feel(c.a, t.pick("proud", "glad"), "the paint was smooth and bright", "everybody liked the colour")
    t.close(c.thing)


def early_shift(t: Telling, c: Cast) -> None:
    """Who gets to work first finds the tool."""
    t.open()
    order = [c.a, c.b, c.c]
    t.chance.shuffle(order)
    t.name(first=order[0], second=order[1], last=order[2])
    t.tell(
        "Much had to be done, and everybody was asked to come early.", "It was harvest time, and all hands were needed."
    )
    t.do(
        Arrive(tuple(order), c.place),
        "{first} was first {place.at}, and {second} came with the sun; {last} came last.",
        "{first} was first {place.at}, then {second}, and then {last}, who yawned.",
    )
    t.quietly(Own(c.d, c.thing), Put(c.d, c.thing, c.place))
    t.do(
        Take(order[0], c.thing, c.place),
        "So {first} took {thing.a}, the best they had.",
        "{first} looked around and took {thing.a}.",
    )
    t.speak(order[1], "I wanted to have that one!", "Then I will use my hands.")
    t.aside(0.5)
    t.tell("They swept, dug and carried until noon.", "They worked side by side and hardly spoke.")
    if t.maybe(0.5):
        t.do(
            Give(order[0], order[1], c.thing),
            "After a while {first} gave {thing} to {second}.",
            "At noon {first} gave {second} {thing}.",
        )
        t.feel(c.a, t.pick("glad", "calm"), "they took turns", "the work went quickly")
    else:
        t.do(Put(order[0], c.thing, c.place), "When all was done, {first} left {thing} {place.at}.")
        t.feel(c.a, *t.pick(("proud", "so much had been done"), ("cross", "it was such hard work")))
    t.close(c.thing)


SHAPES = (
    Shape(mending),
    Shape(helping_carry),
    Shape(building, Needs(thing="hammer rope ladder spade")),
    Shape(planting, Needs(thing="dish", place="garden orchard meadow hill pond")),
    Shape(painting),
    Shape(early_shift, Needs(thing="tool")),
)
