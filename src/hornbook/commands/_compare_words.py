"""What `hornbook compare` found, in sentences: the verdict on each difference, and what to keep in mind."""

from collections.abc import Sequence

from hornbook.commands._compare_measure import Comparison, Difference
from hornbook.commands._compare_sides import Side
from hornbook.commands._settings_apart import settings_apart
from hornbook.evaluation._intervals import Interval

MUCH_MORE = 1.05  # times as much training text: worth a warning


def sentence(difference: Difference, names: Sequence[str], unit: str) -> str:
    """The verdict on one difference, in plain words with its numbers."""
    other, reference = names[difference.other], names[difference.reference]
    size = abs(difference.text.value)
    match difference.verdict:
        case "identical":
            return f"{other} and {reference} have the same loss on every piece of the text"
        case "too little text":
            return f"too little text to tell {other} from {reference}: {signed(difference.text)} {unit}"
        case "no difference":
            between = f"between {other} and {reference}"
            return f"no difference to be seen {between}: {_ranges(difference, with_signs=True)} {unit}"
        case verdict:
            way = "lower" if verdict == "better" else "higher"
            return f"{other} is {verdict} than {reference}: {size:.4f} {unit} {way} {_ranges(difference)}"


def _ranges(difference: Difference, *, with_signs: bool = False) -> str:
    """The intervals behind a verdict; where its words say the direction, without signs."""
    text, seeds = difference.text, difference.seeds
    if not with_signs and text.value < 0:
        text, seeds = text.reversed(), seeds.reversed() if seeds else None
    form = "+.4f" if with_signs else ".4f"
    over = f"{text.low:{form}} to {text.high:{form}}"
    if seeds:
        over += f" over the text, {seeds.low:{form}} to {seeds.high:{form}} over the seeds"
    return f"{text.value:+.4f} ({over})" if with_signs else f"({over})"


def signed(interval: Interval) -> str:
    """A difference with its interval: '-0.0312 (-0.0410 to -0.0221)'."""
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


def notes(found: Comparison) -> list[str]:
    """What a reader should keep in mind: little text, unequal training, and what the intervals don't hold."""
    said = []
    if not found.resampled.is_enough:
        said.append(
            f"the validation text makes about {found.resampled.blocks:.0f} independent pieces; intervals from so few say little"
        )
    said += [note for side in found.sides[1:] if (note := _amounts(found, side))]
    said += [note for side in range(1, len(found.sides)) if (note := _luck(found, side))]
    if found.pieces.per_character:
        said.append("the tokenizers differ, so losses are counted in bits per character of the same text")
    if found.strangers:
        names = ", ".join(found.strangers)
        said.append(f"{names} learned from another dataset: see that it holds nothing of the text compared on")
    if any(len(side.trained) == 1 for side in found.sides):
        said.append(
            "the intervals are about the text only: another seed may move a loss by more than they show; "
            "hornbook train RECIPE --seeds 3 measures that"
        )
    return said


def _luck(found: Comparison, side: int) -> str | None:
    """Where only the seed was another: what the difference then means."""
    reference, other = found.sides[0], found.sides[side]
    if set(settings_apart(reference.settings, other.settings)) != {"training.seed"}:
        return None
    size = abs(found.difference(0, side).text.value)
    return f"only the seed is another in {other.name}: differences of {size:.4f} {found.pieces.unit} come by luck alone"


def _amounts(found: Comparison, side: Side) -> str | None:
    """A warning where one side has been trained on much more text than the first, in tokens or, if need be, characters."""
    reference = found.sides[0]
    read = [_amount(one, found.pieces.per_character) for one in (reference, side)]
    if None in read or not all(read):
        return None
    ratio = float(read[1] or 0) / float(read[0] or 1)
    if 1 / MUCH_MORE < ratio < MUCH_MORE:
        return None
    more, less = (side.name, reference.name) if ratio > 1 else (reference.name, side.name)
    return f"the training differs in amount: {more} has read {max(ratio, 1 / ratio):.2f} times as much text as {less}"


def _amount(side: Side, in_characters: bool) -> float | None:
    history = side.first.history
    per_token = side.first.characters_per_token("train") if in_characters else 1.0
    return history.tokens * per_token if history and per_token else None
