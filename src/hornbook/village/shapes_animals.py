"""A goat that runs away, a cat without a home, hens that hide their eggs."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.vocabulary import EGGS, NUMBERS
from hornbook.village.world import Be, Find, Gain, Give, Go, Leave, Lie, Own, Put, Share, Spend, Take


def stray(t: Telling, c: Cast) -> None:
    """An animal without a home finds one."""
    t.open()
    t.quietly(Lie(c.animal, c.place))
    t.do(
        Be(c.a, c.place),
        "{a} was {place.at} when {a.he} heard a small sound.",
        "Something rustled {place.at}, and {a} stood still.",
    )
    t.tell(
        "It was {animal.a}, wet and thin.",
        "There sat {animal.a} with no one to look after it.",
        "It was {animal.a} that looked hungry.",
    )
    t.speak(c.a, "You poor little thing!", "Where do you come from?", "Do not be afraid.")
    t.do(
        Own(c.a, c.thing),
        "{a} had {thing.a} with {a.him} and let it sniff at that.",
        "At first {animal} only looked at {thing.a} that {a} had in {a.his} hands.",
    )
    t.aside(0.7)
    t.tell("{b} brought some water and a crust of bread.", "{b} came with milk in a dish.")
    if t.maybe(0.6):
        t.speak(c.b, "Nobody has asked for it, so it may stay with you.", "It likes you, {a}.")
        t.do(
            Take(c.a, c.animal, c.place),
            "So {a} took {animal} from {place} and carried it home.",
            "That evening {a} took {animal} home from {place}.",
        )
        t.quietly(Leave(c.a))
        t.feel(c.a, "glad", "{animal} had a home now", "{animal} had stopped shaking")
    else:
        t.do(
            Take(c.c, c.animal, c.place),
            "Then {c} came and took {animal}, which had been lost for a week.",
            "But {animal} belonged to {c}, who came and took it home.",
        )
        t.feel(c.a, "sad", "{animal} was gone again", "it was hard to say goodbye")
    t.close(c.animal, c.thing)


def runaway(t: Telling, c: Cast) -> None:
    """An animal gets out; two look for it in two places."""
    t.open()
    t.quietly(Own(c.c, c.animal))
    t.do(
        Put(c.c, c.animal, c.place),
        "Somebody had left the gate open, and {animal} of {c} was gone.",
        "{c} had {animal.a}, and one day it jumped over the fence.",
    )
    t.speak(c.c, "Help, {animal} has run away!", "Who has seen {animal}?", "It has never done that before!")
    t.do(
        Own(c.a, c.thing),
        "{a} ran out with {thing.a} in {a.his} hands.",
        "{a} dropped everything but {thing.a} and ran.",
    )
    t.do(Go(c.b, c.there), "{b} looked {there.at}, but saw only tracks.", "{b} went to {there} and called and called.")
    t.aside(0.6)
    t.do(
        Find(c.a, c.animal, c.place),
        "{a} found {animal} {place.at}, where it was eating flowers.",
        "It was {a} who found {animal} {place.at}, fast asleep.",
    )
    t.tell("{a} walked up slowly and spoke in a low voice.", "{a} held out a carrot and waited.")
    t.do(
        Give(c.a, c.c, c.animal),
        "Soon {a} gave {animal} to {c}, who closed the gate.",
        "{a} led it back and gave {animal} to {c}.",
    )
    t.speak(c.c, "Bad {animal.noun}, and good {a}!", "How can I thank you, {a}?")
    t.feel(c.a, t.pick("proud", "glad"), "{animal} was safe", "the search was over")
    t.close(c.animal, c.thing)


def hurt_foot(t: Telling, c: Cast) -> None:
    """An animal is carried to somebody who knows what to do."""
    t.open()
    t.quietly(Lie(c.animal, c.place), Own(c.a, c.thing))
    t.do(
        Find(c.a, c.animal, c.place),
        "{a} found {animal.a} with a hurt foot {place.at}.",
        "{place.at}, between two stones, {a} found {animal.a} that could not walk.",
    )
    t.speak(c.a, "Keep still, little one.", "We must help it, quick!", "Who did this to you?")
    t.tell("{a} laid it on soft hay in {thing.a}.", "{a} had {thing.a} with {a.him}, and it was just big enough.")
    t.do(
        Be(c.b, c.there),
        "{b}, who knew all about animals, was {there.at}.",
        "Everybody said that {b} could help, and {b} was {there.at}.",
    )
    t.do(Go(c.a, c.there), "With care {a} carried it to {there}.", "{a} walked to {there} as fast as {a.he} could.")
    t.aside(0.5)
    t.tell("{b} washed the foot and tied a cloth around it.", "{b} pulled out a thorn and put on a cool leaf.")
    t.do(
        Give(c.a, c.b, c.animal),
        "For the night {a} gave {animal} to {b}.",
        "{a} gave {animal} to {b} to be looked after.",
    )
    t.speak(c.b, "In a week it will run again.", "It was good that you came at once, {a}.")
    t.feel(c.a, t.pick("calm", "glad"), "{animal} was in good hands", "the foot would heal")
    t.close(c.animal, c.thing)


def hidden_eggs(t: Telling, c: Cast) -> None:
    """The hens lay where nobody looks; eggs are counted, and some break."""
    t.open()
    t.tell("The hens of {b} hid their eggs.", "For days the hens had laid no eggs at home.")
    t.speak(c.b, "Where do they lay them?", "Please help me look, {a}!", "I cannot find a single one.")
    t.do(Go(c.a, c.place), "{a} followed one of the hens to {place}.", "{a} heard a cackle and ran to {place}.")
    number = t.number(4, 10)
    t.do(Gain(c.a, number, EGGS), "There in the straw {a} found {n}.", "{a} found {n} in an old nest.")
    t.do(Own(c.a, c.thing), "{a} put them into {thing.a}.", "{a} laid them one by one into {thing.a}.")
    t.aside(0.7)
    t.quietly(Leave(c.a))
    if t.maybe(0.5):
        broken = t.number(1, 3)
        t.do(
            Spend(c.a, broken, EGGS),
            "But on the way back {a} fell, and {n} broke.",
            "{a} walked too fast, and {n} fell out and broke.",
        )
        t.tell("So {a} had only {left} left.", left=EGGS.count(number - broken))
        t.feel(c.a, t.pick("cross", "sad"), "some were broken", "{a.he} should have walked more slowly")
    else:
        share = t.number(1, number - 2)
        t.do(Share(c.a, c.b, share, EGGS), "{a} gave {n} to {b}.", "Back home {a} gave {b} {n}.")
        t.tell("{a} kept the other {left} for breakfast.", "That left {a} with {left}.", left=NUMBERS[number - share])
        t.speak(c.b, "You may look for them every day!", "Clever hens, and clever {a}!")
        t.feel(c.a, "glad", "the nest was found", "there were eggs for everybody")
    t.close(c.thing)


def thief_on_four_feet(t: Telling, c: Cast) -> None:
    """An animal runs off with a thing, and somebody else is blamed at first."""
    t.open()
    t.do(
        Own(c.a, c.thing),
        "{a} had laid {thing.a} on the wall for a moment.",
        "{a} had {thing.a} beside {a.him} on the bench.",
    )
    t.tell("When {a} looked again, it was gone.", "{a} turned around, and there was nothing there.")
    t.speak(c.a, "{b}, did you take {thing}?", "Who took {thing}?", "{b}, that is not funny!")
    t.speak(c.b, "I did not touch it!", "Why do you always think of me?")
    t.aside(0.6)
    t.tell(
        "Then {c} saw {animal.a} with something in its mouth.",
        "But {c} pointed at {animal.a} that ran off as fast as it could.",
    )
    t.do(
        Put(c.a, c.thing, c.place),
        "{animal} had dragged {thing} to {place} and dropped it there.",
        "{animal} ran to {place}, and that is where {thing} was.",
    )
    if t.maybe(0.6):
        t.speak(c.a, "I am sorry, {b}.", "So you are the thief, {animal.noun}!")
        t.do(
            Find(c.b, c.thing, c.place),
            "{b} found {thing} {place.at} and wiped it clean.",
            "They ran after it, and {b} found {thing} {place.at}.",
        )
        t.do(Give(c.b, c.a, c.thing))
        t.feel(c.a, "glad", "{b} was not cross", "{thing} was not even scratched")
    else:
        t.tell("Nobody could get it back, for the way was too muddy.", "It lay deep in the mud.")
        t.feel(c.a, "cross", "{animal} had bitten a hole in {thing}", "{thing} was full of mud")
    t.close(c.thing)


def follower(t: Telling, c: Cast) -> None:
    """An animal follows somebody everywhere."""
    t.open()
    t.do(
        Own(c.b, c.animal),
        "{b} had {animal.a} that followed everybody.",
        "{b} had {animal.a} with a ribbon around its neck.",
    )
    t.do(
        Go(c.a, c.there),
        "One day {a} walked to {there}, and {animal} came after {a.him}.",
        "{a} went to {there}, and so did {animal}.",
    )
    t.speak(c.a, "Go home!", "Why do you follow me?", "You cannot come along!")
    t.do(
        Own(c.a, c.thing),
        "It wanted {thing.a} that {a} had under {a.his} arm.",
        "{a} had {thing.a}, and {animal} thought it was food.",
    )
    t.aside(0.7)
    t.quietly(Give(c.b, c.a, c.animal))
    t.do(Go(c.a, c.place), "Then {a} hurried on to {place}.", "{a} ran to {place} to get away.")
    t.do(
        Put(c.a, c.animal, c.place),
        "There {animal} lay down {place.at} and would not get up.",
        "{animal} liked the grass and stayed {place.at}.",
    )
    if t.maybe(0.5):
        t.speak(c.b, "It only wants a friend!", "It must like you very much!")
        t.feel(c.a, "glad", "{animal} was such good company", "nobody had ever followed {a.him} before")
    else:
        t.tell("{a} pulled and pushed, but it was no use.", "{a} asked it nicely, but it only blinked.")
        t.feel(c.a, "cross", "{animal} would not listen", "there was hair all over {a.his} clothes")
    t.close(c.animal, c.thing)


SHAPES = (
    Shape(stray, Needs(animal="small")),
    Shape(runaway, Needs(animal="big")),
    Shape(hurt_foot, Needs(thing="carrier", animal="small")),
    Shape(hidden_eggs, Needs(thing="carrier")),
    Shape(thief_on_four_feet, Needs(animal="big")),
    Shape(follower),
)
