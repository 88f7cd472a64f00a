"""How each event may be told: several sentences for one fact, every one of them clear on its own."""

from hornbook.village import world

# {who}, {to}, {thing}, {place}, {n} come from the event; {thing.a} where the thing appears for the first time
PHRASINGS: dict[type, tuple[str, ...]] = {
    world.Be: ("{who} was {place.at}.", "{who} was already {place.at}.", "{who} sat {place.at}."),
    world.Go: (
        "{who} went to {place}.",
        "{who} walked to {place}.",
        "{who} ran to {place}.",
        "{who} hurried to {place}.",
        "{who} set off for {place} and was soon there.",
        "{who} made {who.his} way to {place}.",
    ),
    world.Leave: ("{who} went home.", "{who} said goodbye and went home.", "{who} walked home."),
    world.Lie: (
        "{thing.a} lay {place.at}.",
        "There was {thing.a} {place.at}.",
        "Somebody had left {thing.a} {place.at}.",
    ),
    world.Own: (
        "{who} had {thing.a}.",
        "{who} owned {thing.a}.",
        "{who} carried {thing.a}.",
        "{who} had {thing.a} with {who.him}.",
    ),
    world.Find: (
        "{who} found {thing} {place.at}.",
        "There, {place.at}, {who} found {thing}.",
        "{who} looked {place.at} and found {thing} there.",
        "At last {who} found {thing} {place.at}.",
    ),
    world.Take: (
        "{who} took {thing} from {place}.",
        "{who} picked up {thing} {place.at}.",
        "{who} fetched {thing} from {place}.",
    ),
    world.Lose: (
        "{who} put {thing} down {place.at} to tie a shoe, and walked on without it.",
        "On the way {who} stopped {place.at}, put {thing} down and forgot it.",
        "{who} rested {place.at} for a while and left {thing} there by mistake.",
    ),
    world.Put: (
        "{who} left {thing} {place.at}.",
        "{who} put {thing} down {place.at}.",
        "{who} took {thing} to {place} and left it there.",
        "{who} carried {thing} to {place} and set it down.",
    ),
    world.Lend: (
        "{who} lent {thing} to {to}.",
        "{who} lent {to} {thing} for the day.",
    ),
    world.Give: (
        "{who} gave {thing} to {to}.",
        "{who} gave {to} {thing}.",
        "{who} handed {thing} to {to}.",
        "{who} put {thing} into the hands of {to}.",
    ),
    world.Gain: ("{who} picked up {n}.", "{who} got {n}.", "{who} gathered {n}."),
    world.Share: ("{who} gave {n} to {to}.", "{who} gave {to} {n}.", "{who} handed {n} to {to}."),
    world.Spend: ("{who} ate {n}.",),
    world.Feel: (
        "{who} was {feeling} because {why}.",
        "{who} felt {feeling} because {why}.",
        "{who} was very {feeling} because {why}.",
    ),
}

SAID = {
    ".": ("said",),
    "?": ("asked",),
    "!": ("cried", "called", "said"),
}

OPENINGS = (
    "It was a bright day.",
    "It was a cold, clear day.",
    "The sun shone on the roofs of the village.",
    "One day the whole village was busy.",
    "It was late in summer.",
    "It was a quiet day.",
    "Smoke rose from every chimney.",
    "A soft wind blew through the village.",
    "It had rained in the night.",
    "There were small white clouds in the sky.",
    "Once, on a warm day, this happened.",
    "It was the first day of autumn.",
)

# asides: somebody else, with something else, somewhere else; the reader has to tell them apart
ASIDES: dict[type, tuple[str, ...]] = {
    world.Put: (
        "Earlier that day {who} had left {thing.a} {place.at}.",
        "That same morning {who} took {thing.a} to {place} and left it there.",
        "{who} had put {thing.a} down {place.at} and forgotten it.",
        "Before breakfast {who} had carried {thing.a} to {place} and set it down.",
    ),
    world.Lie: (
        "There was {thing.a} {place.at}, and nobody needed it that day.",
        "All that time {thing.a} lay {place.at}.",
        "{thing.a} stood {place.at}, where it always was.",
    ),
    world.Own: (
        "{who} came by with {thing.a} and waved.",
        "{who} walked past and showed everybody {thing.a}.",
        "{who} was busy with {thing.a} all day.",
    ),
    world.Give: (
        "That day {who} gave {thing.a} to {to}.",
        "Not far away, {who} gave {to} {thing.a}.",
        "At the same time {who} handed {thing.a} to {to}.",
    ),
    world.Be: (
        "{who} was {place.at} all day.",
        "{who} was at work {place.at}.",
        "Meanwhile {who} sat {place.at} and sang.",
    ),
}

# the same at the very beginning, where 'meanwhile' has nothing to lean on
EARLY_ASIDES: dict[type, tuple[str, ...]] = {
    world.Put: (
        "The night before, {who} had left {thing.a} {place.at}.",
        "Before breakfast {who} had carried {thing.a} to {place} and set it down.",
    ),
    world.Lie: (
        "There was {thing.a} {place.at}, and nobody needed it that day.",
        "As always {thing.a} stood {place.at}.",
    ),
    world.Own: ("{who} was busy with {thing.a} all day.", "{who} had {thing.a} and was content."),
    world.Give: (
        "The day before, {who} had given {thing.a} to {to}.",
        "At breakfast {who} gave {thing.a} to {to}.",
    ),
    world.Be: ("{who} was {place.at} all day.", "{who} was at work {place.at}."),
}

ENDINGS: dict[str, tuple[str, ...]] = {
    "glad": (
        "There was a smile on every face.",
        "It had been a good day.",
        "It was a happy end to the day.",
        "What a day it had been!",
    ),
    "proud": ("Everybody clapped.", "It was good work.", "Nobody forgot that day.", "{a} slept well that night."),
    "calm": ("The evening was still.", "Soon the stars came out.", "All was well.", "Then the village went to sleep."),
    "sad": ("Tomorrow would be a better day.", "It began to rain a little.", "The evening was long and quiet."),
    "cross": ("{a} kicked a stone all the way down the road.", "{a} shut the door with a bang.", "Nobody said a word."),
}

# how the end of a story sums up what is true: a thing that lies somewhere, a thing that somebody holds
SUMMARIES: dict[str, tuple[str, ...]] = {
    "where": (
        "So {thing} stayed {place.at}.",
        "In the end {thing} was {place.at}.",
        "And {thing} was still {place.at}.",
        "That night {thing} was {place.at}.",
    ),
    "who_has": (
        "So now {who} had {thing}.",
        "From then on {who} had {thing}.",
        "That evening {who} had {thing}.",
        "And {who} kept {thing}.",
    ),
}

# two things in one sentence: 'In the end the cat was in the barn, and Ned had the lantern.'
SUMMED = ("In the end", "That night", "So now", "And so")
STATES = {"where": "{thing} was {place.at}", "who_has": "{who} had {thing}"}
