"""Gifts, trades, letters and things that go from hand to hand."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.world import Be, Give, Go, Lend, Own, Put


def gift(t: Telling, c: Cast) -> None:
    """A birthday: two gifts, and the one that is liked best."""
    t.open()
    t.do(
        Be(c.b, c.place),
        "It was a special day for {b}, who had a party {place.at}.",
        "{b} had a birthday, and there was a party {place.at}.",
    )
    t.quietly(Own(c.c, c.other))
    t.do(Give(c.c, c.b, c.other), "First {c} gave {other.a} to {b}.", "{c} was early and gave {b} {other.a}.")
    t.tell(
        "{a} had worked on a gift for a week.",
        "{a} had thought about a gift for a long time.",
        "{a} had saved up for something better.",
    )
    t.quietly(Own(c.a, c.thing))
    t.do(Give(c.a, c.b, c.thing), "Then {a} gave {b} {thing.a}.", "With red cheeks {a} gave {thing.a} to {b}.")
    t.aside(0.6)
    t.speak(c.b, "Oh, {a}, how did you know?", "This is just what I wanted!", "I will keep it for ever.", "How lovely!")
    if t.maybe(0.7):
        t.feel(c.a, t.pick("glad", "proud"), "{b} liked {thing}", "the gift was just right")
        t.tell("Then there was cake for everybody.", "After that they danced until dark.")
    else:
        t.do(
            Put(c.b, c.thing, c.there),
            "But the next day {b} left {thing} {there.at}.",
            "But soon {b} forgot {thing} {there.at}.",
        )
        t.feel(c.a, "sad", "{b} did not care for {thing}", "{b} had left the gift behind")
    t.close(c.thing, c.other)


def trade(t: Telling, c: Cast) -> None:
    """Two friends swap what they have."""
    t.open()
    t.do(Own(c.a, c.thing))
    t.do(Own(c.b, c.other), "{b} had {other.a}.", "Next door lived {b}, who had {other.a}.")
    t.quietly(Be(c.b, c.place))
    t.do(
        Be(c.a, c.place),
        "The two met {place.at}.",
        "One day they sat side by side {place.at}.",
        "They met {place.at}, as they often did.",
    )
    t.speak(c.a, "Shall we swap?", "I like yours better than mine.", "Would you trade with me, {b}?")
    t.speak(c.b, "That sounds fair to me.", "Yes, but no going back!", "Let me think about it first.")
    t.aside(0.7)
    t.do(Give(c.a, c.b, c.thing), "So {a} gave {thing} to {b}.", "They shook hands, and {a} gave {b} {thing}.")
    t.do(Give(c.b, c.a, c.other), "In return {b} gave {other} to {a}.", "{b} gave {a} {other} for it.")
    if t.maybe(0.6):
        t.tell("Neither of them wanted to swap back.", "It was a fair trade.", "Both went away with a smile.")
        t.feel(c.a, "glad", "it was a fair trade", "{a.he} had wanted one for so long")
    else:
        t.tell(
            "But by evening {a} missed what {a.he} had given away.",
            "That night {a} thought about the trade again and again.",
        )
        t.feel(c.a, "sad", "{thing} was gone for good", "the trade could not be undone")
    t.close(c.thing, c.other)


def surprise(t: Telling, c: Cast) -> None:
    """Friends prepare something in secret."""
    t.open()
    t.do(
        Be(c.a, c.there),
        "{a} sat {there.at} with nothing to do.",
        "{a} was {there.at}, and nobody had time for {a.him}.",
    )
    t.feel(c.a, "sad", "nobody would play", "everybody whispered and ran away")
    t.quietly(Own(c.b, c.thing))
    t.do(
        Put(c.b, c.thing, c.place),
        "Meanwhile {b} hid {thing.a} {place.at}.",
        "But in secret {b} had taken {thing.a} to {place}.",
    )
    t.tell(
        "{c} hung up flags and paper stars.",
        "{c} baked a cake with a candle on it.",
        "{c} told all the neighbours to be quiet.",
    )
    t.aside(0.6)
    t.speak(
        c.b,
        "Come with me, {a}, and close your eyes!",
        "{a}, you must see something!",
        "Quick, {a}, somebody needs you!",
    )
    t.do(Go(c.a, c.place), "{b} led {a} by the hand to {place}.", "Together they went to {place}.")
    t.speak(c.c, "Surprise!", "All this is for you, {a}!")
    t.tell(
        "There stood {thing} with a ribbon around it.",
        "In the middle of the party was {thing}, all for {a}.",
        "And there was {thing}, bright and new.",
    )
    t.feel(c.a, "glad", "nobody had forgotten {a.him}", "it was a surprise", "{a.he} had such good friends")
    t.close(c.thing)


def hand_to_hand(t: Telling, c: Cast) -> None:
    """A thing goes from one to the next until it reaches who needs it."""
    t.open()
    t.do(
        Own(c.c, c.thing),
        "{c} had {thing.a} that was of no more use at home.",
        "At the back of a cupboard {c} had {thing.a}.",
    )
    t.do(Give(c.c, c.b, c.thing))
    t.tell("But {b} had no use for it.", "{b} tried it for a day and then thought of somebody else.")
    t.aside(0.7)
    t.do(
        Be(c.a, c.place),
        "At that time {a} was {place.at}, hard at work.",
        "{a} was {place.at} and could not get on with the work.",
    )
    t.speak(
        c.a, "If only I had the right thing for this!", "I cannot do it like this.", "Does nobody have what I need?"
    )
    t.do(Give(c.b, c.a, c.thing), "So {b} gave {thing} to {a}.", "{b} came in and gave {a} {thing}.")
    t.speak(c.b, "It came from {c}, and now it is yours.", "Take it, for you need it more than I do.")
    t.tell("With its help the work was soon done.", "Now everything went well.", "The rest was easy.")
    t.feel(c.a, t.pick("glad", "proud"), "the work was done", "everything went well at last")
    t.close(c.thing)


def letter(t: Telling, c: Cast) -> None:
    """A letter has to be carried to somebody; the news is good or bad."""
    t.open()
    t.do(
        Be(c.c, c.place),
        "{c} was {place.at}, far from home.",
        "That week {c} lived {place.at}.",
        "All summer {c} was {place.at}.",
    )
    t.tell("{b} had written a letter to {c}.", "On the table lay a letter for {c}, which {b} had written.")
    t.speak(c.b, "Who will carry my letter?", "Will you take it there, {a}?", "It must be there by noon.")
    t.speak(c.a, "I will!", "Give it to me, I am quick.", "I know the way.")
    t.do(
        Own(c.a, c.thing),
        "{a} put it in {a.his} pocket and took {thing.a} along for luck.",
        "{a} set off with the letter and {thing.a}.",
    )
    t.aside(0.6)
    t.do(
        Go(c.a, c.there),
        "At noon {a} came to {there} and rested there.",
        "{a} had to go by way of {there}, where the path was wet.",
    )
    t.do(Go(c.a, c.place), "In the end {a} came to {place} with tired feet.", "From there {a} ran on to {place}.")
    t.tell("{c} opened the letter and read it twice.", "{c} read it aloud.")
    if t.maybe(0.6):
        t.speak(c.c, "Good news, they are all well!", "They are coming to see me!")
        t.do(Give(c.a, c.c, c.thing), "Then {a} gave {thing} to {c} as well.", "{a} gave {c} {thing} too.")
        t.feel(c.a, "proud", "the letter was safe", "it was such a long way")
    else:
        t.speak(c.c, "They cannot come before winter.", "The old horse is ill.")
        t.feel(c.a, "sad", "the news was bad", "the old friend was so far away")
    t.close(c.thing)


def two_for_one(t: Telling, c: Cast) -> None:
    """Two want the same thing; it is lent first to one, then to the other."""
    t.open()
    t.do(Own(c.c, c.thing), "{c} owned {thing.a}, the only one in the village.", "Only {c} had {thing.a}.")
    t.tell("Both {a} and {b} wanted to use it.", "{a} asked for it, and so did {b}.")
    t.speak(c.a, "I asked first!", "I need it today!")
    t.speak(c.b, "But I need it too!", "That is not fair!")
    t.aside(0.7)
    t.do(
        Lend(c.c, c.b, c.thing), "{c} thought for a while and lent {thing} to {b}.", "In the end {c} lent {b} {thing}."
    )
    if t.maybe(0.5):
        t.do(
            Put(c.b, c.thing, c.place),
            "When {b} had finished, {b.he} left {thing} {place.at}.",
            "{b} used it and then left {thing} {place.at}.",
        )
        t.tell("Nobody told {a} where it was.", "{a} looked for it in vain.")
        t.feel(c.a, "cross", "{b} did not think of anybody else", "{a.he} had waited for nothing")
    else:
        t.do(
            Give(c.b, c.a, c.thing),
            "After an hour {b} gave {thing} to {a}.",
            "At noon {b} kept a promise and gave {a} {thing}.",
        )
        t.do(Go(c.a, c.place), "{a} took it to {place} at once.", "With it {a} ran to {place}.")
        t.feel(c.a, "calm", "there was time enough for both", "{b} had kept the promise")
    t.close(c.thing)


SHAPES = (
    Shape(gift),
    Shape(trade),
    Shape(surprise),
    Shape(hand_to_hand, Needs(thing="tool carrier dish")),
    Shape(letter),
    Shape(two_for_one),
)
