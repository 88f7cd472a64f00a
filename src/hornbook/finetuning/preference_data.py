"""Pairs of answers as people publish them, and as the pairs of rows that are learned from.

    instruction  {"instruction": "...", "input": "..." (may be absent), "chosen": "...", "rejected": "..."}
    prompt       {"prompt": "...", "chosen": "...", "rejected": "..."}
    messages     {"chosen": [{"role": ..., "content": ...}, ...], "rejected": [...]}, with "prompt" a list of messages, or
                 both lists beginning with the same messages

The first entry says which one a file is in; an entry in another is an error.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hornbook.chat_template import ChatTemplate, Message
from hornbook.errors import UserError
from hornbook.finetuning.conversation import Marked
from hornbook.finetuning.examples import TooLong, shorter_ones
from hornbook.finetuning.messages import Conversation, finished, turns_of
from hornbook.finetuning.preference import Pair
from hornbook.finetuning.rows import Row
from hornbook.randomness import key, permute
from hornbook.text.entries import Entry, entries_of_one_format
from hornbook.tokenizers.base import Tokenizer

Places = list[tuple[str, str]]  # of an entry, and of another that it has to do with


@dataclass(frozen=True, slots=True)
class Preference:
    """What was said before, up to a question, and two answers, of which people chose the first."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    place: str = ""

    @property
    def prompt_text(self) -> str:
        """The prompt as one text, blanks all alike: two with the same one belong together."""
        return self.with_answer(self.chosen).prompt_text

    def with_answer(self, answer: str) -> Conversation:
        """The prompt and one of the answers."""
        return Conversation((*self.prompt, {"role": "assistant", "content": answer}), self.place)


@dataclass(frozen=True)
class Sifted:
    """The preferences that can teach something, and the places of the others.

    `ties` have two equal answers: their loss is always ln 2 and its gradient 0. `twins` say the same again. Of
    `contradictions` one prefers what the other rejects (fields may have been exchanged): neither is kept.
    """

    kept: list[Preference] = field(default_factory=list)
    ties: list[str] = field(default_factory=list)
    twins: Places = field(default_factory=list)
    contradictions: Places = field(default_factory=list)


@dataclass(frozen=True)
class PairsMade:
    """The pairs of rows, the preference of each, the places of those dropped for their length, and how many were cut."""

    pairs: list[Pair] = field(default_factory=list)
    preferences: list[Preference] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    num_cut: int = 0


def read_preferences(path: Path, input_heading: str = "\n\n") -> list[Preference]:
    """The preferences of a .json list or a .jsonl file, in order; `input_heading` parts an instruction from its input.

    Errors: `UserError` with its place for what is in no format or in another than the first, a missing or empty field,
    answers that are to different prompts; for a file without entries.
    """
    return [
        _of_messages(entry) if form == "messages" else _of_texts(entry, form, input_heading)
        for form, entry in entries_of_one_format(path, format_of)
    ]


def format_of(entry: Entry) -> str:
    """The format of an entry: "instruction", "prompt" or "messages". Errors: `UserError` for one that is in none."""
    if isinstance(entry.value("chosen"), list):
        return "messages"
    for name in ("instruction", "prompt"):
        if name in entry.fields:
            return name
    raise UserError(f"{entry.place} has no prompt beside its answers", choices=["instruction", "prompt", "messages"])


def sift(found: Sequence[Preference]) -> Sifted:
    """Part what can teach something from what can't; see `Sifted`."""
    ties = [each.place for each in found if each.chosen == each.rejected]
    seen: dict[tuple[str, str, str], Preference] = {}
    twins, contradictions = [], []
    for each in found:
        said, opposite = (each.prompt_text, each.chosen, each.rejected), (each.prompt_text, each.rejected, each.chosen)
        if each.chosen == each.rejected:
            continue
        if said in seen:
            twins.append((each.place, seen[said].place))
            continue
        if opposite in seen:
            contradictions.append((each.place, seen[opposite].place))
        seen[said] = each
    wrong = {place for both in contradictions for place in both}
    return Sifted([each for each in seen.values() if each.place not in wrong], ties, twins, contradictions)


def make_pairs(
    preferences: Sequence[Preference],
    template: ChatTemplate,
    tokenizer: Tokenizer,
    max_length: int,
    too_long: TooLong = "cut",
) -> PairsMade:
    """Both answers behind their prompt as the template writes them; only the answer and its end count.

    Of a pair with more than `max_length` tokens to read "cut" leaves out the oldest questions with their answers, never a
    part of a message; "drop" leaves out the pair. Errors: `UserError` with its place for one that is too long where
    "refuse" is asked for, or nothing can be cut; for what the template can't say; where nothing is left.
    """
    made: list[tuple[Pair, Preference, bool]] = []
    dropped = []
    for each in preferences:
        pair, kept = preference_pair(each, template, tokenizer), each
        if _length(pair) > max_length and too_long == "drop":
            dropped.append(each.place)
            continue
        if _length(pair) > max_length:
            pair, kept = _cut(each, template, tokenizer, max_length, too_long)
        made.append((pair, kept, kept is not each))
    if not made:
        raise UserError(f"all {len(dropped)} pairs are longer than max_length {max_length}, so none is left")
    pairs, kept_ones, cuts = zip(*made, strict=True)
    return PairsMade(list(pairs), list(kept_ones), dropped, sum(cuts))


def preference_pair(preference: Preference, template: ChatTemplate, tokenizer: Tokenizer) -> Pair:
    """Both answers behind the prompt; only they and their ends count. Errors: `UserError` with the place, see `marked`."""
    try:
        start = len(template.prompt_ids(preference.prompt, tokenizer))
        chosen, rejected = (
            _row(preference.with_answer(answer), start, template, tokenizer)
            for answer in (preference.chosen, preference.rejected)
        )
    except UserError as error:
        raise UserError(f"{preference.place}: {error}" if preference.place else str(error)) from None
    return Pair(chosen, rejected)


def split_preferences(preferences: Sequence[Preference], fractions: Sequence[float], seed: int) -> list[list[int]]:
    """The places of each part, as large as its fraction allows, and last those of the rest; drawn by `seed`.

    Those with one prompt share a part. Errors: `UserError` where a part would be empty.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, preference in enumerate(preferences):
        groups[preference.prompt_text].append(place)
    order = permute(np.arange(len(groups)), len(groups), key(seed, "preferences")).tolist()
    waiting = [list(groups.values())[number] for number in order]
    parts = []
    for size in (int(fraction * len(preferences)) for fraction in fractions):
        part: list[int] = []
        while waiting and len(part) < size:
            part += waiting.pop()
        parts.append(sorted(part))
    parts.append(sorted(place for group in waiting for place in group))
    if not all(parts):
        raise UserError(
            f"{len(preferences)} pairs of {len(groups)} prompts are too few to learn from, hold out and test"
        )
    return parts


def _row(conversation: Conversation, start: int, template: ChatTemplate, tokenizer: Tokenizer) -> Row:
    """The conversation's row; what comes before `start` (earlier answers too) is the same in both and doesn't count."""
    tokens, trained = template.marked(conversation.messages, tokenizer)
    return Marked(tokens, [False] * start + trained[start:]).row()


def _cut(
    preference: Preference, template: ChatTemplate, tokenizer: Tokenizer, max_length: int, too_long: TooLong
) -> tuple[Pair, Preference]:
    """The pair without its oldest turns, as few as must go."""
    if too_long == "cut":
        for shorter in shorter_ones(preference.with_answer(preference.chosen)):
            kept = Preference(shorter.prompt, preference.chosen, preference.rejected, preference.place)
            pair = preference_pair(kept, template, tokenizer)
            if _length(pair) <= max_length:
                return pair, kept
    tokens = _length(preference_pair(preference, template, tokenizer))
    hint = "--finetune.too_long drop leaves such pairs out, and says how many"
    raise UserError(f"{preference.place}: {tokens:,} tokens are more than max_length {max_length}", hint=hint)


def _length(pair: Pair) -> int:
    return max(len(pair.chosen.inputs), len(pair.rejected.inputs))


def _of_texts(entry: Entry, form: str, input_heading: str) -> Preference:
    about = entry.text("input", "") if form == "instruction" else ""
    question = entry.filled(form) + (f"{input_heading}{about}" if about.strip() else "")
    return Preference(
        ({"role": "user", "content": question},), entry.filled("chosen"), entry.filled("rejected"), entry.place
    )


def _of_messages(entry: Entry) -> Preference:
    """Both lists, behind the prompt's where that is one. Errors: `UserError` where they are no answers to one prompt."""
    before = turns_of(entry, "prompt") if isinstance(entry.fields.get("prompt"), list) else []
    chosen, rejected = (finished([*before, *turns_of(entry, name)], entry.place) for name in ("chosen", "rejected"))
    if chosen.unanswered or rejected.unanswered:
        raise UserError(f"{entry.place}: 'chosen' and 'rejected' must end with the assistant's answer")
    if chosen.prompt != rejected.prompt:
        raise UserError(f"{entry.place}: 'chosen' and 'rejected' differ before their last answers")
    return Preference(chosen.prompt, chosen.answer, rejected.answer, entry.place)
