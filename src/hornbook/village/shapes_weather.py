"""Rain, wind, fog, snow, and a lamp in the dark."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.world import Arrive, Be, Find, Give, Go, Leave, Lend, Lie, Lose, Own, Put, Take


def shelter_from_rain(t: Telling, c: Cast) -> None:
    """Rain drives everybody under a roof, and something is left outside."""
    t.tell(
        "The sky turned black, and the first drops fell.",
        "All at once it began to rain.",
        "Thunder rolled over the hills.",
    )
    t.do(
        Own(c.a, c.thing),
        "{a} was on the road with {thing.a}.",
        "{a} was far from home and had {thing.a} with {a.him}.",
    )
    t.speak(c.b, "Quick, run to {place}!", "{place} has a good roof!", "Come, {a}, we will be dry there!")
    order = t.pick((c.a, c.b), (c.b, c.a))
    t.name(first=order[0], last=order[1])
    t.do(
        Arrive(order, c.place),
        "{first} was first {place.at}, and {last} came after, dripping wet.",
        "{first} was first {place.at}; {last} slipped in the mud and came later.",
    )
    t.aside(0.7)
    t.tell(
        "They sat close together and told stories.",
        "They listened to the rain on the roof.",
        "{b} wrung out both socks, and {a} laughed.",
    )
    if t.maybe(0.5):
        t.do(
            Put(c.a, c.thing, c.place),
            "When the sun came back, {a} left {thing} {place.at} to dry.",
            "When the sun came out, {a} ran home and forgot {thing} {place.at}.",
        )
        t.feel(c.a, t.pick("calm", "glad"), "the storm was over", "there was a rainbow")
    else:
        t.do(
            Lend(c.a, c.b, c.thing),
            "For the way home {a} lent {thing} to {b}.",
            "Because {b} was so cold, {a} lent {b} {thing}.",
        )
        t.speak(c.b, "You think of everything, {a}.", "I will bring it back tomorrow.")
        t.feel(c.a, t.pick("glad", "proud"), "nobody got ill", "{b} smiled again")
    t.close(c.thing)


def lamp_in_the_dark(t: Telling, c: Cast) -> None:
    """Somebody must fetch a thing from a dark place and is afraid."""
    t.tell(
        "It was night, and there was no moon.",
        "The sun had gone down long ago.",
        "It was so dark that one could not see a hand.",
    )
    t.do(
        Lie(c.thing, c.place),
        "{b} needed {thing.a} that lay {place.at}.",
        "There was {thing.a} {place.at}, and {b} could not sleep without it.",
    )
    t.aside(0.5)
    t.speak(c.b, "Will you fetch it for me, {a}?", "I do not dare to go.", "Somebody must get it.")
    t.tell("{a} was afraid of the dark too, but said nothing.", "{a} lit a small lamp with a shaking hand.")
    t.do(Go(c.a, c.place), "Step by step {a} went to {place}.", "{a} held up the lamp and walked to {place}.")
    t.tell("Something creaked, and a shadow jumped.", "Two green eyes looked at {a}.", "The wind moaned at the door.")
    t.speak(c.a, "Who is there?", "Hello?")
    if t.maybe(0.65):
        t.tell("But it was only an owl.", "It was nothing but a mouse.")
        t.do(
            Take(c.a, c.thing, c.place),
            "{a} took {thing} from {place} and did not look back.",
            "Quickly {a} took {thing} and turned around.",
        )
        t.quietly(Leave(c.a))
        t.do(Give(c.a, c.b, c.thing))
        t.feel(c.a, "proud", "{a.he} had not run away", "the dark was not so bad")
    else:
        t.do(
            Go(c.a, c.there),
            "Then {a} ran, and did not stop before {there}.",
            "{a} let the lamp fall and ran to {there}.",
        )
        t.tell("So {thing} had to stay where it was.", "Nobody fetched {thing} that night.")
        t.feel(c.a, "sad", "{a.he} had not been brave", "{b} had to wait until morning")
    t.close(c.thing)


def windy_day(t: Telling, c: Cast) -> None:
    """The wind takes something away."""
    t.tell(
        "The wind blew so hard that the trees bent down.",
        "It was a wild and windy day.",
        "Leaves and straw flew through the air.",
    )
    t.do(Own(c.a, c.thing), "{a} went out with {thing.a}.", "{a} had {thing.a}, the best one in the house.")
    t.do(Go(c.a, c.there), "{a} wanted to go to {there} and held on tight.", "{a} got as far as {there}.")
    t.do(
        Lose(c.a, c.thing, c.place),
        "A gust tore {thing} away and carried it to {place}.",
        "Then the wind took {thing}, and it came down {place.at}.",
    )
    t.quietly(Be(c.a, c.there))
    t.speak(c.a, "Stop, come back!", "Catch it, somebody!", "That wind is a thief!")
    t.aside(0.7)
    if t.maybe(0.6):
        t.do(
            Find(c.b, c.thing, c.place),
            "{b} saw it fly past and found {thing} {place.at}.",
            "{b} found {thing} {place.at}, a little torn.",
        )
        t.do(Give(c.b, c.a, c.thing))
        t.speak(c.b, "Hold on to it better!", "It nearly flew to the sea!")
        t.feel(c.a, "glad", "{b} was so quick", "it was not lost after all")
    else:
        t.tell("{b} tried to catch it but was too slow.", "{a} and {b} ran after it until they had no breath left.")
        t.tell("It hung too high for them.", "They did not know where to look.")
        t.feel(c.a, t.pick("cross", "sad"), "the wind would not stop", "it was a gift from {c}")
    t.close(c.thing)


def sound_in_the_fog(t: Telling, c: Cast) -> None:
    """A sound leads somebody home through the fog."""
    t.tell("Fog lay over the village, thick and white as milk.", "Nobody could see the road for the fog.")
    t.do(Leave(c.b), "{b} had gone out early and did not come back.", "{b} was out there somewhere, all alone.")
    t.speak(c.c, "{b} must have lost the way!", "How can we help {b}?", "It is no use to shout.")
    t.do(Own(c.a, c.thing), "{a} had {thing.a} and an idea.", "But {a} had {thing.a}.")
    t.do(
        Go(c.a, c.place),
        "{a} felt {a.his} way to {place}.",
        "With it {a} went to {place}.",
    )
    t.tell("There {a} played as loudly as {a.he} could.", "Again and again its sound went out into the white.")
    t.aside(0.6)
    t.tell("Far away {b} heard it and turned around.", "{b} followed the sound step by step.")
    if t.maybe(0.5):
        t.do(
            Go(c.b, c.place),
            "Before noon {b} came to {place}, cold but safe.",
            "At last {b} walked to {place}, out of the fog.",
        )
        t.speak(c.b, "I heard you, {a}!", "That was the best music I ever heard!")
    else:
        t.do(
            Go(c.b, c.there),
            "So {b} came to {there}, from where the road was easy.",
            "In this way {b} reached {there} and was safe.",
        )
        t.do(Give(c.a, c.c, c.thing), "Tired but happy, {a} gave {thing} to {c}.")
    t.feel(c.a, t.pick("proud", "glad", "calm"), "{b} was safe", "the plan had worked")
    t.close(c.thing)


def first_snow(t: Telling, c: Cast) -> None:
    """Snow has covered the roads; who gets through first?"""
    t.tell("In the night it had snowed.", "Snow lay on every roof.", "The whole village was white.")
    t.do(Own(c.a, c.thing), "{a} put on three shirts and took {thing.a}.", "{a} came out of the house with {thing.a}.")
    t.speak(c.b, "We shall never get through!", "Look how deep it is!", "The snow is up to my knees!")
    order = [c.a, c.b, c.c]
    t.chance.shuffle(order)
    t.name(first=order[0], second=order[1], last=order[2])
    t.do(
        Arrive(tuple(order), c.place),
        "{first} was first {place.at}, with {second} close behind, and {last} came an hour later.",
        "{first} made a path and was first {place.at}; {second} and {last} walked in the footsteps.",
    )
    t.aside(0.7)
    t.tell("They stamped their feet and blew on their fingers.", "Somebody lit a fire, and their faces turned red.")
    if t.maybe(0.5):
        t.do(Give(c.a, c.b, c.thing), "There {a} gave {thing} to {b}.", "{a} gave {b} {thing}, to keep.")
        t.feel(c.a, "glad", "winter had come at last", "the snow was so clean and soft")
    else:
        t.do(
            Lose(c.a, c.thing, c.place),
            "Outside {a} dropped {thing}, and it sank into the snow {place.at}.",
            "On the steps {place.at} {a} let {thing} fall, and the snow covered it.",
        )
        t.speak(c.c, "We will see it again in spring!", "Leave it, it is too cold to look!")
        t.feel(c.a, t.pick("cross", "sad"), "{thing} lay under the snow", "the others only laughed")
    t.close(c.thing)


SHAPES = (
    Shape(shelter_from_rain, Needs(place="indoors")),
    Shape(lamp_in_the_dark, Needs(place="indoors")),
    Shape(windy_day, Needs(thing="wear", place="outdoors")),
    Shape(sound_in_the_fog, Needs(thing="music")),
    Shape(first_snow),
)
