"""Buying, selling, coins and prices."""

from hornbook.village.casting import Cast
from hornbook.village.shape import Shape
from hornbook.village.telling import Telling
from hornbook.village.vocabulary import COINS, EGGS, FLOWERS, FRUIT, NUMBERS
from hornbook.village.world import Be, Gain, Give, Go, Own, Put, Share, Spend


def buying(t: Telling, c: Cast) -> None:
    """A thing costs some coins; there are enough or not."""
    t.tell("It was the day of the fair.", "Once a month there was a fair.", "Carts rolled in from all the farms.")
    number, price = t.number(3, 9), t.number(2, 8)
    price += price == number
    t.do(
        Own(c.c, c.thing),
        "{c} had {thing.a} to sell, and everybody stopped to look.",
        "On the cloth in front of {c} lay {thing.a}.",
    )
    t.do(Gain(c.a, number, COINS), "{a} had {n} in {a.his} pocket.", "{a} had saved {n}.")
    t.do(Be(c.c, c.place), "The stall of {c} was {place.at}.", "{c} had set up the stall {place.at}.")
    t.speak(c.a, "How much is {thing}?", "What does {thing} cost?")
    t.speak(c.c, "{price}, and not one less.", "It costs {price}.", price=COINS.count(price))
    t.aside(0.7)
    if number > price:
        t.do(Spend(c.a, price, COINS), "{a} gave {n} to {c}.", "Slowly {a} gave {c} {n}.")
        t.do(Give(c.c, c.a, c.thing), "Then {c} gave {thing} to {a}.", "For that {c} gave {a} {thing}.")
        t.tell("{a} had {left} left.", "That left {a} with {left}.", left=COINS.count(number - price))
        t.feel(c.a, t.pick("glad", "proud"), "{thing} was worth it", "{a.he} had saved for so long")
    else:
        t.tell("{a} counted twice, but it was not enough.", "{a} turned every pocket inside out.")
        t.do(
            Give(c.c, c.b, c.thing),
            "So {c} gave {thing} to {b}, who had a full purse.",
            "In the end it was {b} who paid, and {c} gave {thing} to {b}.",
        )
        t.feel(c.a, t.pick("sad", "cross"), "there were not enough coins", "{b} had bought {thing}")
    t.close(c.thing)


def selling(t: Telling, c: Cast) -> None:
    """Goods are carried to market and sold."""
    t.open()
    goods = t.pick(EGGS, FLOWERS, *FRUIT)
    t.name(goods=goods)
    number = t.number(6, 12)
    sold = t.number(2, number - 2)
    t.do(Gain(c.a, number, goods), "{a} had {n} to sell.", "Early in the day {a} got up to sell {n}.")
    t.do(
        Go(c.a, c.place),
        "{a} went to {place} and spread out a cloth.",
        "{a} walked to {place} and sat down by the road.",
    )
    t.speak(c.a, "Fresh {goods}, who wants some?", "Buy my {goods}!")
    t.tell("For an hour nobody came.", "The first who passed had no money.", "A fat man looked, but did not buy.")
    t.do(
        Own(c.b, c.thing),
        "Then {b} came with {thing.a} and stopped.",
        "Then came {b}, with {thing.a} and an empty sack.",
    )
    t.do(Share(c.a, c.b, sold, goods), "{a} gave {n} to {b}.", "{b} took a good look, and {a} gave {b} {n}.")
    t.aside(0.6)
    t.tell("{a} had {left} left over.", "Then {a} had only {left}.", left=NUMBERS[number - sold])
    if t.maybe(0.6):
        t.do(
            Give(c.b, c.a, c.thing),
            "Instead of money {b} gave {thing} to {a}.",
            "{b} had no coins and gave {a} {thing}.",
        )
        t.feel(c.a, t.pick("glad", "proud"), "it was a good bargain", "business was so good")
    else:
        t.speak(c.b, "I will pay you next week!", "Oh, I have no money with me!")
        t.feel(c.a, "cross", "{b} had not paid", "it was a bad bargain")
    t.close(c.thing)


def lost_coins(t: Telling, c: Cast) -> None:
    """Coins fall through a hole in the pocket."""
    t.tell("It was the day of the fair.", "There were stalls with bread, wool and toys.")
    number = t.number(5, 10)
    lost = t.number(2, number - 3)
    t.do(Gain(c.a, number, COINS), "{a} had {n} for the fair.", "{a} had {n} in a pocket, and a hole in the pocket.")
    t.do(Go(c.a, c.place), "{a} was sent to {place} first, to ask for flour.", "{a} danced all the way to {place}.")
    t.do(
        Spend(c.a, lost, COINS),
        "When {a} counted them there, {n} were gone.",
        "On the way {n} fell out without a sound.",
    )
    t.speak(c.a, "Where are my coins?", "I had more than that!", "There is a hole in my pocket!")
    t.aside(0.6)
    t.do(Own(c.b, c.thing), "{b}, with {thing.a} under one arm, walked behind.", "{b} came along with {thing.a}.")
    if t.maybe(0.6):
        t.speak(c.b, "Are these yours?", "Look what lay on the road!")
        t.do(Gain(c.a, lost, COINS), "{b} had picked them up, and {a} got back {n}.", "So {a} got back {n}.")
        t.tell("Now {a} had {left} again.", "That made {left}, as before.", left=COINS.count(number))
        t.feel(c.a, "glad", "{b} was honest", "not a coin was missing")
    else:
        t.tell("Now {a} had only {left}.", "That left {a} with {left}.", left=COINS.count(number - lost))
        t.speak(c.b, "I can mend your pocket.", "I have not seen them.")
        t.do(
            Put(c.b, c.thing, c.there),
            "{b} left {thing} {there.at} and helped to look, but in vain.",
            "{b} put {thing} down {there.at} and looked everywhere.",
        )
        t.feel(c.a, t.pick("sad", "cross"), "the coins were lost", "the pocket had a hole")
    t.close(c.thing)


def bargain(t: Telling, c: Cast) -> None:
    """Something is swapped upward, step by step."""
    t.tell("It was the day of the fair.", "Everything could be had at the fair, even without money.")
    t.do(Own(c.a, c.thing), "{a} had nothing to sell but {thing.a}.", "{a} had brought {thing.a} and no money at all.")
    t.do(
        Go(c.a, c.place),
        "First {a} went to {place}, where people stood close together.",
        "{a} made {a.his} way to {place}.",
    )
    t.do(Own(c.b, c.other), "{b} had {other.a} and did not like it.", "{b} stood there with {other.a}.")
    t.speak(c.b, "I give you this for that!", "Is it for sale?")
    t.do(Give(c.a, c.b, c.thing), "{a} gave {thing} to {b}.", "So {a} gave {b} {thing}.")
    t.do(Give(c.b, c.a, c.other), "{b} gave {other} to {a} for it.", "For that {b} gave {a} {other}.")
    t.aside(0.6)
    if t.maybe(0.6):
        t.tell("{a} hummed a tune all day.", "{a} held it up to the light and laughed.")
        t.feel(c.a, t.pick("proud", "glad"), "it was a clever swap", "both had what they wanted")
    else:
        t.do(
            Give(c.a, c.c, c.other),
            "Then {c} cried for it, and {a} gave {other} to {c}.",
            "But {c} begged so long that {a} gave {c} {other}.",
        )
        t.tell("So {a} had nothing at all in the end.", "Now {a} had nothing left to swap.")
        t.feel(c.a, *t.pick(("calm", "{c} had stopped crying"), ("sad", "the day had brought nothing")))
    t.close(c.thing, c.other)


SHAPES = (Shape(buying), Shape(selling), Shape(lost_coins), Shape(bargain))
