"""Ring songs: what the children of the village sing, full of names and repeated at once.

    Nora has the kite, Nora has the kite. Tom is at the mill, Tom is at the mill. Where is Tom? Tom is at the mill! ...

A model that only reads stories meets few names among many words, and stays for millions of tokens with guessing any name
at all. A song has little else than names, things, places and numbers, each of them said again soon: copying what was said
before is worth learning here, and what is learned serves the stories. Words that no song has are copied far later.
"""

from hornbook.village.asking import choose
from hornbook.village.roll import drawn_facts
from hornbook.village.stories import Story

BEGINNINGS = (
    "The children stood in a circle and sang.",
    "They held hands and sang a song.",
    "At the end of the day the children sang.",
    "This was the song of the evening.",
    "Everybody knew the song and sang along.",
    "They clapped their hands and sang.",
)
FEWEST_FACTS, MOST_FACTS = 4, 5


def song(seed: int, part: str, index: int) -> Story:
    """Song `index` of a part, with the questions it sings; a pure function of its arguments, as stories are.

    It keeps the rule of the stories: no name, thing and place of another part come together.
    """
    world, cast, facts, chance = drawn_facts(seed, part, index, "song")
    chance.shuffle(facts)
    facts = facts[: chance.randint(FEWEST_FACTS, MOST_FACTS)]
    said = [f"{line}, {line}." for line, _ in facts]
    chance.shuffle(facts)
    asked = [f"{question.text} {line}!" for line, question in facts]
    chance.shuffle(facts)
    text = " ".join([chance.choice(BEGINNINGS), *said, *asked])
    _, statements = choose(world, text, chance)
    questions = tuple(question for _, question in facts)
    return Story(text, questions, "singing", "glad", statements, "ring_song", cast.combination)
