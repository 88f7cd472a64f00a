"""Picking, baking, sharing, and an empty jar."""

from hornbook.village.casting import Cast, Needs
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.vocabulary import BUNS, CARROTS, FRUIT, NUMBERS, NUTS
from hornbook.village.world import Be, Gain, Give, Go, Leave, Lend, Order, Own, Put, Share, Spend


def baking(t: Telling, c: Cast) -> None:
    """Buns for the fair; some are burnt or given away."""
    t.open()
    number, fewer = t.number(5, 12), t.number(2, 4)
    t.do(
        Be(c.a, c.place),
        "The fair was near, and {a} baked {place.at}.",
        "{a} stood {place.at} with flour up to the elbows.",
    )
    t.quietly(Own(c.b, c.thing))
    t.do(
        Lend(c.b, c.a, c.thing),
        "{b} lent {thing.a} to {a}, to carry the buns in.",
        "For the dough {b} lent {a} {thing.a}.",
    )
    t.tell("The oven was hot, and the dough was soft.", "Sugar, butter and milk went into the bowl.")
    t.do(Gain(c.a, number, BUNS), "Soon there was a sweet smell, and {a} had {n}.", "{a} baked {n}, round and brown.")
    t.aside(0.7)
    if t.maybe(0.4):
        t.do(
            Spend(c.a, fewer, BUNS),
            "But {n} were burnt, and {a} threw them to the hens.",
            "{a} dropped {n} on the floor, and they had to go to the pigs.",
        )
        t.feel(c.a, t.pick("sad", "cross"), "so many were spoiled", "the oven was too hot")
    else:
        t.speak(c.b, "May I taste them?", "How good they smell!", "I am so hungry, {a}!")
        t.do(Share(c.a, c.b, fewer, BUNS), "{a} gave {n} to {b}.", "With a smile {a} gave {b} {n}.")
        t.feel(c.a, t.pick("proud", "glad"), "the buns were so good", "{b} wanted to learn how it was done")
    t.tell(
        "Now {a} had {left} for the fair.", "That left {a} with {left} for the fair.", left=BUNS.count(number - fewer)
    )
    t.close(c.thing)


def picking_fruit(t: Telling, c: Cast) -> None:
    """Two pick fruit; one has more, and they share or do not."""
    t.open()
    goods = t.pick(*FRUIT)
    t.name(goods=goods)
    t.tell("The {goods} were ripe.", "The branches were heavy with {goods}.", "It was time to pick the {goods}.")
    t.do(Own(c.a, c.thing), "{a} took {thing.a}, and {b} brought a sack.", "{a} had {thing.a} to put the {goods} in.")
    few, many = t.number(2, 5), t.number(6, 11)
    mine, yours = t.pick((few, many), (many, few))
    t.do(Gain(c.a, mine, goods), "{a} picked {n}.", "From the lowest branch {a} picked {n}.")
    t.do(Gain(c.b, yours, goods), "{b} picked {n}.", "{b} climbed up high and picked {n}.")
    t.aside(0.8)
    winner, loser = (c.a, c.b) if mine > yours else (c.b, c.a)
    t.name(winner=winner, loser=loser)
    t.speak(loser, "You have more than I have!", "Your tree was better than mine.")
    if t.maybe(0.6):
        gift = t.number(1, 2)
        t.do(
            Share(winner, loser, gift, goods),
            "So {winner} gave {n} to {loser}.",
            "{winner} gave {loser} {n}, to be fair.",
        )
        t.tell(
            "Then {loser} had {more}, and {winner} had {fewer}.",
            "That made {more} for {loser} and {fewer} for {winner}.",
            more=NUMBERS[few + gift],
            fewer=NUMBERS[many - gift],
        )
        t.feel(c.a, t.pick("glad", "calm"), "they had shared", "there was enough for both")
    else:
        t.tell("But {winner} gave nothing away.", "{winner} only laughed and took another bite.")
        if winner is c.a:
            t.feel(c.a, *t.pick(("proud", "it was hard work"), ("glad", "the {goods} were so sweet")))
        else:
            t.feel(c.a, "cross", "{b} would not share", "{b} had the better tree")
    t.do(
        Put(c.a, c.thing, c.place),
        "In the evening {a} left {thing} {place.at}.",
        "{a} carried {thing} to {place} and went home.",
    )
    t.close(c.thing)


def shared_lunch(t: Telling, c: Cast) -> None:
    """One forgot the lunch; the other has something."""
    t.open()
    goods = t.pick(NUTS, CARROTS, *FRUIT)
    number = t.number(4, 10)
    give = t.number(2, number - 2)
    t.do(
        Go(c.a, c.place),
        "At noon {a} and {b} sat down {place.at} to eat.",
        "{a} and {b} had worked all morning and rested {place.at}.",
    )
    t.quietly(Be(c.b, c.place))
    t.do(Gain(c.a, number, goods), "{a} had {n} in a cloth.", "{a} had brought {n}.")
    t.do(
        Own(c.b, c.thing),
        "{b} had only {thing.a}, and one cannot eat that.",
        "{b} opened a bag, but there was nothing in it but {thing.a}.",
    )
    t.speak(c.b, "I forgot my lunch!", "My lunch is still on the table at home.", "Oh no, I have nothing to eat!")
    t.aside(0.7)
    t.do(Share(c.a, c.b, give, goods), "{a} gave {n} to {b} without a word.", "So {a} gave {b} {n}.")
    t.tell("The other {left} were for {a}.", "{a} kept the other {left}.", left=NUMBERS[number - give])
    t.speak(c.b, "Tomorrow I will bring some for you!", "You are kind, {a}.")
    if t.maybe(0.5):
        t.do(Give(c.b, c.a, c.thing), "As thanks {b} gave {thing} to {a}.", "In return {b} gave {a} {thing}.")
        t.feel(c.a, "glad", "{b} was so thankful", "food tastes better together")
    else:
        t.tell("Bees hummed in the sun, and nobody wanted to get up.", "They leaned back and looked at the sky.")
        t.feel(c.a, "calm", "nobody was hungry any more", "there was enough for two")
    t.close(c.thing)


def soup(t: Telling, c: Cast) -> None:
    """Everybody brings something for the pot."""
    t.open()
    t.do(
        Be(c.a, c.place),
        "{a} wanted to cook soup for everybody {place.at}.",
        "A big fire burned {place.at}, and {a} hung a kettle over it.",
    )
    t.speak(c.a, "I have only water and salt!", "Who will bring something?", "Soup for all, if everybody helps!")
    number = t.number(4, 9)
    t.do(Gain(c.b, number, CARROTS), "{b} came with {n}.", "From the field {b} brought {n}.")
    t.do(
        Own(c.c, c.thing),
        "{c} had nothing to eat at home and brought {thing.a}.",
        "{c} came with {thing.a}, and everybody laughed.",
    )
    t.speak(c.c, "One never knows what it is good for!", "I have nothing else.")
    t.aside(0.6)
    used = t.number(2, number - 1)
    t.do(
        Spend(c.b, used, CARROTS), "{b} cut up {n} and threw them in.", "Into the soup went {n}, washed and cut by {b}."
    )
    t.tell("{b} kept {left} for the horses.", "So {b} had {left} left.", left=NUMBERS[number - used])
    t.do(Give(c.c, c.a, c.thing), "Then {c} gave {thing} to {a} as a present.", "{c} gave {a} {thing}, for the work.")
    if t.maybe(0.75):
        t.feel(c.a, t.pick("glad", "proud"), "the soup was enough for all", "not a drop was left")
    else:
        t.tell("But {a} had put in far too much salt.", "Then the soup boiled over and put out the fire.")
        t.feel(c.a, t.pick("cross", "sad"), "nobody could eat it", "all that work was for nothing")
    t.close(c.thing)


def empty_jar(t: Telling, c: Cast) -> None:
    """Somebody ate what was kept for the feast."""
    t.open()
    goods = t.pick(NUTS, *FRUIT)
    t.name(goods=goods)
    number = t.number(6, 12)
    eaten = t.number(2, number - 2)
    t.do(Gain(c.a, number, goods), "{a} had {n} for the feast.", "{a} had saved {n} for Sunday.")
    t.do(Own(c.a, c.thing), "{a} kept them in {thing.a}.", "{a} hid them in {thing.a} with a cloth over it.")
    t.do(
        Spend(c.a, eaten, goods), "But in the night somebody ate {n}.", "When {a} counted them again, {n} were missing."
    )
    t.tell("There were only {left} left for {a}.", "So {a} had only {left}.", left=NUMBERS[number - eaten])
    t.speak(c.a, "Who has eaten my {goods}?", "This was no mouse!")
    t.aside(0.7)
    t.speak(c.c, "I saw {b} with a full mouth!", "Ask {b}!")
    t.do(Be(c.b, c.place), "{b} sat {place.at} and could not look up.", "{b} was {place.at} and had red cheeks.")
    if t.maybe(0.5):
        t.speak(c.b, "I was so hungry, and I am sorry.", "It was me.")
        t.do(
            Gain(c.a, 2, goods),
            "Then {b} climbed a tree and brought {a} two more.",
            "{b} went out and got two more for {a}.",
        )
        t.tell("That made {left} again.", "Now {a} had {left}.", left=NUMBERS[number - eaten + 2])
        t.feel(c.a, "calm", "{b} had told the truth", "there was still enough")
    else:
        t.tell("{b} said nothing and ran away.", "{b} did not even say sorry.")
        t.quietly(Leave(c.b))
        t.feel(c.a, t.pick("cross", "sad"), "{b} had eaten them", "the feast was spoiled")
    t.close(c.thing)


def first_taste(t: Telling, c: Cast) -> None:
    """Who may taste first?"""
    t.open()
    t.do(
        Own(c.c, c.thing),
        "{c} stirred jam with one hand and held {thing.a} in the other.",
        "{c} had {thing.a} and a big pan of jam.",
    )
    t.do(
        Be(c.c, c.place),
        "The smell drew everybody to {place}, where {c} was cooking.",
        "{c} was cooking jam {place.at}.",
    )
    t.speak(c.a, "Let me taste it!", "Me first!")
    t.speak(c.b, "No, it is my turn!", "I was here before you!")
    t.speak(c.c, "Whoever is quiet may taste.", "One after the other, please.")
    t.aside(0.7)
    first, last = t.pick((c.a, c.b), (c.b, c.a))
    t.name(first=first, last=last)
    t.do(
        Order((first, last), "first to taste"),
        "{first} kept still and was first to taste; {last} came next.",
        "{first} was first to taste, because {last} could not stop talking.",
    )
    t.tell("It was sweet, sour and very hot.", "It ran down the chin and onto the shirt.")
    if first is c.a:
        t.do(Give(c.c, c.a, c.thing), "Then {c} gave {thing} to {a} to hold.", "{c} gave {a} {thing} to carry.")
        t.feel(c.a, t.pick("glad", "proud"), "it was the best jam of all", "{c} had said yes")
    else:
        t.do(Give(c.c, c.b, c.thing), "Then {c} gave {thing} to {b} to hold.", "{c} gave {b} {thing} to carry.")
        t.feel(c.a, "cross", "{b} had a bigger spoon", "{b} took so long")
    t.close(c.thing)


SHAPES = (
    Shape(baking, Needs(thing="carrier dish")),
    Shape(picking_fruit, Needs(thing="carrier")),
    Shape(shared_lunch),
    Shape(soup, Needs(place="fountain garden market orchard meadow hill pond")),
    Shape(empty_jar, Needs(thing="carrier dish")),
    Shape(first_taste),
)
