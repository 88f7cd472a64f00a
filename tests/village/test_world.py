"""The world: what each event changes, what it must not, and what cannot happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.village.vocabulary import EGGS, PEOPLE, PLACES, THINGS
from hornbook.village.world import Arrive, Be, Find, Gain, Give, Go, Lie, Lose, Own, Put, Share, Spend, Take, World

NORA, MIA, TOM = PEOPLE[0], PEOPLE[1], PEOPLE[12]
MILL, BARN = PLACES[0], PLACES[1]
KITE, BALL = THINGS[0], THINGS[1]


def played(*events: object) -> World:
    world = World()
    for event in events:
        world.apply(event)
    return world


@pytest.mark.parametrize(
    ("before", "impossible"),
    [
        ([], Give(NORA, TOM, KITE)),
        ([Own(TOM, KITE)], Give(NORA, TOM, KITE)),
        ([Own(TOM, KITE)], Own(NORA, KITE)),
        ([Lie(KITE, MILL)], Take(NORA, KITE, BARN)),
        ([Own(NORA, KITE)], Find(TOM, KITE, MILL)),
        ([Lie(KITE, MILL)], Put(NORA, KITE, MILL)),
        ([Gain(NORA, 2, EGGS)], Spend(NORA, 3, EGGS)),
        ([Gain(NORA, 2, EGGS)], Share(TOM, NORA, 1, EGGS)),
    ],
)
def test_what_cannot_happen_is_refused(before: list[object], impossible: object) -> None:
    with pytest.raises(AssertionError):
        played(*before, impossible)


def test_a_thing_goes_from_hand_to_place_to_hand() -> None:
    world = played(Own(NORA, KITE), Give(NORA, TOM, KITE))
    assert (world.holder(KITE), world.spot(KITE)) == (TOM, None)
    world.apply(Lose(TOM, KITE, MILL))
    assert (world.holder(KITE), world.spot(KITE)) == (None, MILL)
    world.apply(Find(MIA, KITE, MILL))
    assert (world.holder(KITE), world.spot(KITE)) == (MIA, None)


def test_nobody_knows_where_they_are_who_acted_elsewhere_or_left_something_behind() -> None:
    world = played(Be(NORA, MILL), Own(NORA, KITE), Put(NORA, KITE, MILL))
    assert NORA not in world.places
    world = played(Be(NORA, MILL), Lie(KITE, BARN), Take(NORA, KITE, BARN))
    assert NORA not in world.places
    world = played(Be(NORA, MILL), Lie(KITE, MILL), Take(NORA, KITE, MILL))
    assert world.places == {NORA: MILL}
    world = played(Be(NORA, MILL), Go(TOM, BARN), Own(NORA, KITE), Give(NORA, TOM, KITE))
    assert world.places == {TOM: BARN}


def test_arriving_puts_everybody_at_the_place() -> None:
    assert played(Arrive((NORA, TOM, MIA), BARN)).places == dict.fromkeys((NORA, TOM, MIA), BARN)


def test_what_is_not_told_is_true_but_no_history() -> None:
    world = World()
    world.apply(Own(NORA, KITE), told=False)
    assert world.holder(KITE) == NORA
    assert world.history == []


@given(st.lists(st.tuples(st.sampled_from((NORA, MIA, TOM)), st.sampled_from((NORA, MIA, TOM)), st.integers(1, 9))))
def test_sharing_neither_makes_nor_loses_anything(moves: list[tuple[object, object, int]]) -> None:
    world = played(*(Gain(who, 9, EGGS) for who in (NORA, MIA, TOM)))
    for who, to, number in moves:
        if world.counts[who, EGGS] >= number:
            world.apply(Share(who, to, number, EGGS))
    assert sum(world.counts.values()) == 27
    assert min(world.counts.values()) >= 0
