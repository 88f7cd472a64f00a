"""The pairs of a training on preferences: read, sifted, split by the seed, and what is to be said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.commands._finetune_data import readable_length, some
from hornbook.commands._preference_settings import PreferenceSettings
from hornbook.errors import UserError
from hornbook.finetuning.preference_data import (
    PairsMade,
    Sifted,
    make_pairs,
    read_preferences,
    sift,
    split_preferences,
)
from hornbook.generation.generate import LanguageModel


@dataclass(frozen=True)
class PreferenceParts:
    """The three parts of a file, how many pairs lost their oldest turns, and what a person should know before."""

    learned: PairsMade
    held_out: PairsMade
    test: PairsMade
    num_cut: int
    notes: list[str]

    def facts(self) -> dict[str, Any]:
        """Counts, for the model card and for programs."""
        parts = {"learned": self.learned, "held_out": self.held_out, "test": self.test}
        return {name: len(part.pairs) for name, part in parts.items()} | {
            "cut": self.num_cut,
            "left_out": self.notes,
        }

    def about(self) -> str:
        """The parts in words."""
        learned, held_out, test = (len(part.pairs) for part in (self.learned, self.held_out, self.test))
        return f"{learned:,} pairs to learn from, {held_out:,} held out, {test:,} to test"


def read_parts(
    path: Path, model: LanguageModel, settings: PreferenceSettings, seed: int, input_heading: str
) -> PreferenceParts:
    """The parts of a file for a model that has its template. Errors: `UserError` with file and line."""
    template = model.conventions.template
    assert template is not None
    length = readable_length(settings.max_length, model.config.context_length)
    sifted = sift(read_preferences(path, input_heading))
    if not sifted.kept:
        raise UserError(f"no pair of '{path}' can teach anything: {'; '.join(_left_out(sifted))}")
    made = make_pairs(sifted.kept, template, model.tokenizer, length, settings.too_long)
    places = split_preferences(made.preferences, (settings.val_fraction, settings.test_fraction), seed)
    held_out, test, learned = (_part(made, part) for part in places)
    return PreferenceParts(learned, held_out, test, made.num_cut, [*_left_out(sifted), *_shortened(made)])


def _part(made: PairsMade, places: Sequence[int]) -> PairsMade:
    return PairsMade([made.pairs[place] for place in places], [made.preferences[place] for place in places])


def _left_out(sifted: Sifted) -> list[str]:
    """What teaches nothing, a line for each kind, with the places of the first few."""
    lines = []
    if ties := sifted.ties:
        lines.append(f"{len(ties):,} pairs of two equal answers are left out ({some(ties)})")
    if twins := sifted.twins:
        lines.append(f"{len(twins):,} pairs stand there already and are left out ({some(_as(twins))})")
    if against := sifted.contradictions:
        lines.append(
            f"{len(against):,} pairs prefer what another one rejects; both are left out ({some(_as(against))})"
        )
    return lines


def _shortened(made: PairsMade) -> list[str]:
    lines = [f"{made.num_cut:,} pairs were too long and lost their oldest turns"] if made.num_cut else []
    if made.dropped:
        lines.append(f"{len(made.dropped):,} pairs were too long and are dropped ({some(made.dropped)})")
    return lines


def _as(places: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{first} and {second}" for first, second in places]
