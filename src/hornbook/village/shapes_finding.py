"""Things that are lost, hidden, forgotten and found."""

from hornbook.village.casting import Cast
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.world import Arrive, Find, Give, Go, Leave, Lie, Lose, Own, Put, Take


def lost_and_found(t: Telling, c: Cast) -> None:
    """A thing is left on the way; a friend looks for it, and brings it back or keeps it."""
    t.open()
    t.do(
        Own(c.a, c.thing),
        "{a} had {thing.a} and took it everywhere.",
        "{a} never went out without {a.his} {thing.own}.",
    )
    t.do(Lose(c.a, c.thing, c.place))
    t.do(
        Go(c.a, c.there),
        "Later {a} came to {there} with empty hands.",
        "{a} was {there.at} when {a.he} saw {a.his} empty hands.",
    )
    t.speak(c.a, "Oh no, {thing} is gone!", "Where is {thing}?", "I have lost {thing}!")
    t.aside(0.7)
    t.tell(
        "{b} heard this and wanted to help.",
        "{b} saw the tears and went to look.",
        "{b} promised to look for it at once.",
    )
    t.tell(
        "First {b} searched {far.at}, but it was not there.", "{b} asked everybody {far.at}, but nobody had seen it."
    )
    t.do(Find(c.b, c.thing, c.place))
    if t.maybe(0.7):
        t.do(Give(c.b, c.a, c.thing), "{b} ran back and gave {thing} to {a}.", "{b} came back and gave {a} {thing}.")
        t.speak(c.a, "Thank you, {b}!", "You are a true friend, {b}.", "You have sharp eyes, {b}!")
        t.feel(c.a, "glad", "{thing} was back", "{b} had helped", "nothing was lost")
    else:
        t.speak(c.b, "I found it, so it is mine now!", "Whoever finds a thing may keep it!")
        t.feel(c.a, "cross", "{b} kept {thing}", "{b} would not give {thing} back")
    t.close(c.thing)


def finding_the_owner(t: Telling, c: Cast) -> None:
    """Somebody finds a thing and asks around until its owner turns up."""
    t.open()
    t.quietly(Lie(c.thing, c.place))
    t.do(
        Find(c.a, c.thing, c.place),
        "{a} was on the way home when {a.he} found {thing.a} {place.at}.",
        "Early in the day {a} found {thing.a} {place.at}.",
    )
    t.tell(
        "Nobody was near, and there was no name on it.",
        "It was too good to be thrown away.",
        "Somebody must have lost it.",
    )
    t.do(Go(c.a, c.there), "{a} went to {there} to ask about it.", "{a} asked first {there.at}.")
    t.speak(c.a, "Is this yours, {b}?", "Have you lost this, {b}?")
    t.speak(
        c.b,
        "No, but it may belong to {c}.",
        "Not mine, but I think {c} had one like it.",
        "I have never seen it before, but ask {c}.",
    )
    t.aside(0.7)
    t.quietly(Leave(c.a))
    t.tell("So {a} knocked at the door where {c} lived.", "In the afternoon {a} met {c} on the road.")
    t.do(
        Give(c.a, c.c, c.thing), "When {a} gave {thing} to {c}, {c} jumped for joy.", "{a} gave {thing} to {c} at once."
    )
    t.speak(c.c, "I looked for it everywhere!", "You are honest, {a}.", "I thought I would never see it again!")
    t.feel(c.c, "glad", "{thing} was found", "{a} was so honest")
    t.feel(c.a, "proud", "it was the right thing to do", "{a.he} had kept on asking")
    t.close(c.thing)


def secret_hiding_place(t: Telling, c: Cast) -> None:
    """Somebody hides a thing; somebody else looks in the wrong place."""
    t.open()
    t.do(
        Own(c.a, c.thing),
        "{a} had {thing.a} that nobody was allowed to touch.",
        "{a} had {thing.a}, and it was {a.his} secret.",
    )
    t.tell(
        "It had to be hidden well.",
        "{a} looked for a safe place to keep it.",
        "All day {a} thought about a good hiding place.",
    )
    nook = "behind some old sacks" if c.place.indoors else "under a heap of leaves"
    t.do(
        Put(c.a, c.thing, c.place),
        f"At last {{a}} hid {{thing}} {{place.at}}, {nook}.",
        f"{{a}} hid {{thing}} {nook} {{place.at}}.",
    )
    t.aside(0.8)
    t.speak(c.b, "I know you have a secret, {a}!", "What are you hiding, {a}?", "I will find your secret, {a}.")
    t.tell("{b} looked {there.at}, but there was nothing.", "{b} searched {there.at} until it grew dark.")
    if t.maybe(0.6):
        t.tell("{b} even asked {c}, but {c} knew nothing.", "{b} looked {far.at} as well, and found only dust.")
        t.feel(c.b, "cross", "the secret was too well hidden", "the search took all day")
        t.feel(c.a, "calm", "the secret was safe", "nobody had found {thing}")
    else:
        t.do(
            Find(c.c, c.thing, c.place),
            "But {c} went to {place} by chance and found {thing}.",
            "It was {c} who found {thing} {place.at}.",
        )
        t.feel(c.a, "sad", "it was a secret no more", "{c} knew the secret now")
    t.close(c.thing)


def left_behind(t: Telling, c: Cast) -> None:
    """Somebody forgets a thing and goes back, or does not."""
    t.open()
    t.do(
        Own(c.a, c.thing),
        "{a} had {thing.a} that was older than the village.",
        "{a} had {thing.a} from {a.his} grandmother.",
    )
    t.do(
        Go(c.a, c.place),
        "{a} took it to {place}, to show it to {b}.",
        "With it {a} went to {place}, where {b} was waiting.",
    )
    t.tell("They talked about the weather, the hens and the fair.", "They played until the shadows grew long.")
    t.do(
        Put(c.a, c.thing, c.place),
        "When they left, {a} forgot {thing} {place.at}.",
        "They went away, and {thing} stayed {place.at}, forgotten.",
    )
    t.do(
        Go(c.a, c.there),
        "{a} was {there.at} before {a.he} thought of it.",
        "Only when {a} came to {there} did {a.he} remember it.",
    )
    t.speak(c.a, "How silly of me!", "I would forget my own head!", "What have I done?")
    t.aside(0.8)
    if t.maybe(0.5):
        t.tell("It was late, and the road was long.", "By then it was too dark to go back.")
        t.feel(c.a, "sad", "{thing} was out of reach", "{thing} was all alone in the dark")
    else:
        t.do(
            Take(c.c, c.thing, c.place),
            "But {c} had taken {thing} from {place} already.",
            "Luckily {c} had picked up {thing} {place.at}.",
        )
        t.speak(c.c, "Next time, look behind you, {a}!", "Somebody left this behind.")
        t.do(Give(c.c, c.a, c.thing))
        t.feel(c.a, "glad", "{c} had thought of it", "{c} was so kind")
    t.close(c.thing)


def note_with_a_clue(t: Telling, c: Cast) -> None:
    """A note says where something is hidden; the friends follow it, one quicker than the other."""
    t.open()
    t.quietly(Lie(c.thing, c.place))
    t.tell(
        "A note lay on the steps.", "One day {a} found a note in {a.his} pocket.", "There was a note under the door."
    )
    t.tell('It said, "Look {place.at}, and you will see."', 'On it stood the words, "Something waits {place.at}."')
    t.speak(c.a, "Let us go there at once!", "This is a riddle, {b}!", "Who can have written this?")
    t.aside(0.7)
    first, last = t.pick((c.a, c.b), (c.b, c.a))
    t.do(
        Arrive((first, last), c.place),
        "{p} was first {place.at}, because {q} had to stop for a stone in a shoe.",
        "{p} ran so fast that {p.he} was first {place.at}.",
        p=first,
        q=last,
    )
    t.tell("They looked high and low.", "They turned over every stone and every board.")
    t.do(
        Find(last, c.thing, c.place),
        "But it was {q} who found {thing.a} there.",
        "Then {q} found {thing.a}, wrapped in paper.",
        q=last,
    )
    t.tell("Somebody laughed; it was {c}, who had written the note.", "{c} came out of hiding and clapped.")
    t.speak(c.c, "I only wanted to make you run a little!", "You two are clever.")
    if last is c.a:
        t.feel(c.a, "proud", "the riddle was solved", "{a.he} had looked so well")
    else:
        t.feel(c.a, "glad", "it was such good fun", "{b} let everybody look at {thing}")
    t.close(c.thing)


SHAPES = (
    Shape(lost_and_found),
    Shape(finding_the_owner),
    Shape(secret_hiding_place),
    Shape(left_behind),
    Shape(note_with_a_clue),
)
