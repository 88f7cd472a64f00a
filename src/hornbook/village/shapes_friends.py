"""Quarrels, promises, visits, and somebody new."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.world import Be, Give, Go, Leave, Lend, Lie, Own, Put, Take


def quarrel(t: Telling, c: Cast) -> None:
    """Two want the same thing at the same time, and make up or don't."""
    t.open()
    t.quietly(Lie(c.thing, c.place))
    t.do(
        Be(c.a, c.place),
        "{a} and {b} saw {thing.a} {place.at} at the same moment.",
        "There was {thing.a} {place.at}, and both {a} and {b} wanted it.",
    )
    t.speak(c.a, "I saw it first!", "Let go of {thing}!")
    t.speak(c.b, "No, it is mine!", "You always want everything!")
    t.do(
        Take(c.b, c.thing, c.place),
        "{b} pulled harder and took {thing}.",
        "{b} took {thing} and held it behind {b.his} back.",
    )
    t.feel(c.a, "cross", "{b} was so rude", "{b} had pulled so hard")
    t.aside(0.6)
    if t.maybe(0.7):
        t.tell(
            "They sat with their backs to each other for a whole hour.",
            "For a while nobody said a word.",
            "{c} shook a finger at both of them.",
        )
        t.speak(c.b, "I am sorry, {a}.", "You may have it, {a}.", "We could share it.")
        t.do(Give(c.b, c.a, c.thing), "Then {b} gave {thing} to {a}.", "{b} gave {a} {thing} and smiled a little.")
        t.feel(c.a, t.pick("glad", "calm"), "they were friends again", "the quarrel was over", "{b} had said sorry")
    else:
        t.do(Go(c.b, c.there), "With that {b} ran off to {there}.", "{b} went away to {there}.")
        t.tell("{a} called after {b.him}, but got no answer.", "{c} tried to help, but it was no use.")
        t.feel(
            c.a, *t.pick(("sad", "a friend was lost over such a small thing"), ("cross", "{b} had not even said sorry"))
        )
    t.close(c.thing)


def sick_visit(t: Telling, c: Cast) -> None:
    """Somebody is ill, and is cheered up."""
    t.open()
    t.do(
        Be(c.b, c.place),
        "{b} had a fever and lay on a heap of pillows {place.at}.",
        "{b} was ill and had to keep warm {place.at}.",
    )
    t.do(Own(c.a, c.thing), "{a} packed {thing.a} and some honey.", "{a} had {thing.a} that might be of help.")
    t.do(Go(c.a, c.place), "{a} went to {place} to visit {b}.", "On tiptoe {a} came to {place}.")
    t.speak(c.a, "How are you today?", "Does your head still hurt?", "I could not wait to see you.")
    t.speak(c.b, "My head hurts, but not so much now.", "It is so dull here all alone.", "Tell me what is new!")
    t.do(Give(c.a, c.b, c.thing), "{a} gave {thing} to {b}.", "{a} put a kiss on the hot cheek and gave {b} {thing}.")
    t.aside(0.6)
    t.tell(
        "They told each other riddles until {b} fell asleep.",
        "{a} read aloud, and {b} listened with closed eyes.",
        "Honey and tea did the rest.",
    )
    if t.maybe(0.7):
        t.tell("Two days later the fever was gone.", "Soon {b} could walk again.")
        t.feel(c.a, t.pick("glad", "calm"), "{b} was well again", "the worst was over")
    else:
        t.tell("But the fever stayed for a long time.", "The next day {b} was no better.")
        t.feel(c.a, "sad", "{b} was still ill", "there was nothing more to do")
    t.close(c.thing)


def newcomer(t: Telling, c: Cast) -> None:
    """Somebody new knows nobody."""
    t.open()
    t.do(
        Be(c.c, c.place),
        "{c} was new in the village and stood {place.at}, all alone.",
        "A new family had come, and their child {c} sat {place.at} without a friend.",
    )
    t.do(Own(c.c, c.thing), "{c} had {thing.a} and looked at the ground.", "{c} had only {thing.a} from the old home.")
    t.speak(c.b, "Who is that?", "Shall we talk to {c}?")
    t.do(Go(c.a, c.place), "{a} took heart and walked to {place}.", "{a} went to {place} at once.")
    t.speak(c.a, "I am {a}, and who are you?", "Do you want to play with us?", "You need not be shy.")
    t.speak(c.c, "I am {c}.", "I come from over the hills.", "Nobody has talked to me yet.")
    t.aside(0.6)
    t.tell(
        "Soon they were talking like old friends.",
        "They found out that they both liked stories and frogs.",
        "It turned out that {c} could sing like a bird.",
    )
    if t.maybe(0.7):
        t.do(
            Give(c.c, c.a, c.thing),
            "Before dark {c} gave {thing} to {a}.",
            "{c} gave {a} {thing}, as a sign that they were friends.",
        )
        t.feel(c.a, t.pick("glad", "proud"), "{a.he} had a new friend", "it had been so easy")
    else:
        t.do(
            Go(c.c, c.there),
            "In the evening they showed {c} the village, and {c} went to {there}.",
            "Then {c} went home to {there}, and waved three times.",
        )
        t.feel(c.a, t.pick("calm", "glad"), "nobody was alone any more", "tomorrow they would meet again")
    t.close(c.thing)


def borrowing(t: Telling, c: Cast) -> None:
    """Something is lent, and comes back in time, or too late."""
    t.open()
    t.do(Own(c.a, c.thing), "{a} had {thing.a}, clean and in good order.", "{a} took good care of {a.his} {thing.own}.")
    t.speak(c.b, "May I borrow {thing}?", "Would you lend me {thing} until tonight?")
    t.do(Lend(c.a, c.b, c.thing))
    t.speak(c.a, "But bring it back before dark!", "Do not break it, please.")
    t.do(Go(c.b, c.place), "{b} took it to {place} and used it all day.", "{b} ran to {place} with it.")
    t.aside(0.8)
    if t.maybe(0.5):
        t.tell("The sun went down, but {b} remembered.", "Before the first star {b} was at the door.")
        t.quietly(Leave(c.b))
        t.do(Give(c.b, c.a, c.thing), "{b} gave {thing} back to {a}.", "As promised, {b} gave {thing} back to {a}.")
        t.feel(c.a, t.pick("calm", "glad"), "{b} had kept the promise", "it was as clean as before")
    elif t.maybe():
        t.do(Put(c.b, c.thing, c.place), "But {b} left {thing} {place.at} and forgot all about it.")
        t.feel(c.a, "cross", "{b} had forgotten the promise", "it was dark, and {thing} was not back")
    else:
        t.do(
            Lend(c.b, c.c, c.thing),
            "But {b} lent {thing} to {c}, without a word to {a}.",
            "But there {b} lent {c} {thing}.",
        )
        t.feel(c.a, t.pick("cross", "sad"), "nobody had asked {a.him}", "a borrowed thing should not be lent again")
    t.close(c.thing)


def promise(t: Telling, c: Cast) -> None:
    """Somebody promises to come, and has to choose."""
    t.open()
    t.speak(c.b, "Will you meet me {place.at} at three?", "Promise to come to {place}, {a}!")
    t.speak(c.a, "I promise.", "You can count on me.")
    t.do(Go(c.b, c.place), "{b} went to {place} long before it was time.", "At three {b} was {place.at} and waited.")
    t.do(
        Own(c.b, c.thing),
        "{b} had {thing.a} for {a}, but that was a secret.",
        "To pass the time {b} played with {thing.a}.",
    )
    t.aside(0.7)
    t.speak(c.c, "Come with us, {a}, we go to the fair!", "{a}, there is a clown {there.at}!")
    if t.maybe(0.6):
        t.tell("{a} thought of the promise and shook {a.his} head.", "It was hard for {a} to say no, but {a.he} did.")
        t.do(Go(c.a, c.place), "{a} ran all the way to {place}.", "On the stroke of three {a} came to {place}.")
        t.do(Give(c.b, c.a, c.thing), "{b} gave {thing} to {a}.", "There {b} gave {a} {thing}.")
        t.feel(c.a, t.pick("proud", "glad"), "{a.he} had kept {a.his} word", "{b} had not waited for nothing")
    else:
        t.do(Go(c.a, c.there), "{a} forgot the time and went to {there}.", "So {a} went to {there} with {c}.")
        t.do(
            Put(c.b, c.thing, c.place),
            "At five {b} left {thing} {place.at} and walked home.",
            "In the end {b} went away and left {thing} {place.at}.",
        )
        t.quietly(Leave(c.b))
        t.feel(c.b, "cross", "{a} had not come")
        t.feel(c.a, "sad", "{a.he} had not kept {a.his} word", "{b} would not talk to {a.him}")
    t.close(c.thing)


def farewell(t: Telling, c: Cast) -> None:
    """Somebody moves away and leaves something behind on purpose."""
    t.open()
    t.tell("{b} had to move away, over the hills.", "The cart was packed, for {b} was going to live by the sea.")
    t.do(
        Be(c.a, c.place),
        "{a} sat {place.at} and did not want to see it.",
        "They met {place.at} for the last time, {a} with a lump in the throat.",
    )
    t.do(Own(c.b, c.thing), "{b} came with {thing.a} under one arm.", "{b} had kept {thing.a} out of the boxes.")
    t.speak(c.b, "I want you to remember me.", "I will write every week!", "Do not cry, {a}.")
    t.do(Give(c.b, c.a, c.thing), "{b} gave {thing} to {a}.", "Then {b} gave {a} {thing}.")
    t.aside(0.7)
    t.quietly(Own(c.a, c.other))
    t.do(Give(c.a, c.b, c.other), "In return {a} gave {other.a} to {b}.", "{a} gave {b} {other.a} for the journey.")
    t.tell("The wheels began to turn, and a hand waved for a long time.", "The cart grew smaller and smaller.")
    if t.maybe(0.6):
        t.feel(c.a, "sad", "{b} was gone", "it was hard to say goodbye")
    else:
        t.tell("{c} put an arm around {a}.", "{c} came and sat down beside {a}.")
        t.feel(c.a, "calm", "true friends stay friends", "{b} would write every week")
    t.close(c.thing, c.other)


SHAPES = (
    Shape(quarrel),
    Shape(sick_visit, Needs(place="indoors")),
    Shape(newcomer),
    Shape(borrowing),
    Shape(promise),
    Shape(farewell),
)
