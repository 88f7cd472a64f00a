"""Telling: names become pronouns only where they are clear, words become dialogue, grammar holds for every phrasing."""

import random
import re
from dataclasses import replace

import pytest

from hornbook.village import world
from hornbook.village.casting import ANY, Cast, draw_cast
from hornbook.village.phrasings import ASIDES, EARLY_ASIDES, ENDINGS, PHRASINGS
from hornbook.village.telling import Telling, capital, roles_of
from hornbook.village.vocabulary import EGGS, FEELINGS, PEOPLE, THINGS, Goods, article
from hornbook.village.world import Feel, Give, Go, Own

NORA, MIA, TOM = PEOPLE[0], PEOPLE[1], PEOPLE[12]
KITE, UMBRELLA = THINGS[0], next(thing for thing in THINGS if thing.noun == "umbrella")


def telling(seed: int = 0, **roles: object) -> Telling:
    cast = draw_cast(random.Random(seed), "train", ANY)
    return Telling(random.Random(seed), replace(cast, **roles))  # type: ignore[arg-type]


def test_a_phrasing_names_only_roles_that_its_event_has() -> None:
    for table in (PHRASINGS, ASIDES, EARLY_ASIDES):
        for event, templates in table.items():
            known = (
                {*event.__dataclass_fields__, "n"}
                if "goods" in event.__dataclass_fields__
                else {*event.__dataclass_fields__}
            )
            assert all(set(roles_of(template)) <= known for template in templates), event


def test_every_mood_has_endings() -> None:
    assert set(ENDINGS) == set(FEELINGS)


def test_the_event_happens_and_is_told() -> None:
    story = telling()
    story.do(Own(NORA, KITE))
    story.do(Give(NORA, TOM, KITE), "{who} gave the thing away.")
    assert story.world.holder(KITE) == TOM
    assert "kite" in story.sentences[0]
    assert story.sentences[1] in ("Nora gave the thing away.", "She gave the thing away.")


def test_words_of_the_storys_own_use_the_roles_of_the_cast() -> None:
    story = telling(a=NORA, b=TOM, thing=KITE)
    story.do(Own(NORA, KITE), "{a} had {thing.a}, and {b} had {a.his} hand.")
    assert story.text() == "Nora had a kite, and Tom had her hand."


@pytest.mark.parametrize("other", [MIA, TOM])
def test_a_pronoun_is_used_where_it_can_mean_only_one(other: object) -> None:
    starts = set()
    for seed in range(200):
        story = telling(seed, a=NORA, b=other)
        story.tell("{a} saw {b}.")
        story.tell("{a} laughed.")
        starts.add(story.sentences[1])
    assert starts == ({"Nora laughed."} if other is MIA else {"Nora laughed.", "She laughed."})


def test_the_name_comes_back_after_two_pronouns() -> None:
    for seed in range(200):
        story = telling(seed, a=NORA)
        for _ in range(12):
            story.tell("{a} laughed.")
        assert "She laughed. She laughed. She laughed." not in story.text()


def test_no_pronoun_before_an_apostrophe_or_in_a_pair() -> None:
    for seed in range(100):
        story = telling(seed, a=NORA, b=TOM)
        story.tell("{a} came.")
        story.tell("{a}'s hat was gone.")
        story.tell("{a} came.")
        story.tell("{a} and {b} went home.")
        assert story.sentences[1] == "Nora's hat was gone."
        assert story.sentences[3] == "Nora and Tom went home."


def test_dialogue_has_its_marks_in_the_right_places() -> None:
    seen = set()
    for seed in range(300):
        story = telling(seed, a=NORA, b=TOM, thing=KITE)
        story.tell("{a} looked up.")
        for words in ("{thing} is gone.", "Where is {thing}?", "Stop!"):
            story.speak(NORA, words)
        seen |= set(story.sentences)
    assert {
        '"The kite is gone," said Nora.',
        '"The kite is gone," she said.',
        'Nora said, "The kite is gone."',
        '"Where is the kite?" asked Nora.',
        'She asked, "Where is the kite?"',
        '"Stop!" cried Nora.',
    } <= seen


def test_a_reason_is_told_and_kept() -> None:
    story = telling(a=NORA, thing=KITE)
    story.feel(NORA, "glad", "{thing} was back")
    assert story.world.feelings[NORA] == Feel(NORA, "glad", "the kite was back")
    assert story.text().endswith(" because the kite was back.")


def test_articles_numbers_and_capitals() -> None:
    assert (KITE.a, UMBRELLA.a, UMBRELLA.described("red").a) == ("a kite", "an umbrella", "a red umbrella")
    assert KITE.described("old").a == "an old kite"
    assert [article(words) for words in ("apple", "map", "ugly hat", "useful box")] == ["an", "a", "an", "a"]
    assert [EGGS.count(number) for number in (1, 2, 12)] == ["one egg", "two eggs", "twelve eggs"]
    assert Goods("goose", "geese").count(2) == "two geese"
    assert capital("the kite") == "The kite"


def test_a_summary_says_what_the_world_says() -> None:
    for seed in range(100):
        story = telling(seed, a=NORA)
        cast: Cast = story.cast
        story.quietly(Own(NORA, cast.thing), world.Lie(cast.other, cast.place), Go(NORA, cast.place))
        story.feel(NORA, "calm", "it was over")
        story.close(cast.thing, cast.other)
        summary = re.search(r"(\w+) had the (\w+), and the (\w+) was (.+?)\.", story.text())
        if summary:
            assert summary.groups() == ("Nora", cast.thing.noun, cast.other.noun, cast.place.at)
