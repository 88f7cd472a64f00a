"""The examples of a chat fine-tuning: read, marked by the template, split by the seed, and what is to be said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hornbook.chat_template import ChatTemplate
from hornbook.commands._chat_settings import ChatSettings, ExampleSettings
from hornbook.commands._finetune_data import readable_length, some
from hornbook.commands._finetune_template import input_heading
from hornbook.errors import UserError
from hornbook.finetuning.examples import Example, Examples, make_examples, shared_prompts
from hornbook.finetuning.messages import read_conversations
from hornbook.generation.generate import LanguageModel
from hornbook.randomness import key, permute
from hornbook.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class ChatData:
    """All examples of a file, and its three parts."""

    all: Examples
    learned: list[Example]
    held_out: list[Example]
    test: list[Example]
    unknown: int  # tokens of all that are <|unk|>

    @property
    def leaks(self) -> list[tuple[str, str]]:
        """Places of questions of the other two parts that are learned from too, each with its twin's."""
        return shared_prompts([*self.held_out, *self.test], self.learned)

    def facts(self) -> dict[str, Any]:
        """Counts, for the model card and for programs."""
        found = self.all
        return {
            "examples": len(found.kept),
            "learned": len(self.learned),
            "held_out": len(self.held_out),
            "test": len(self.test),
            "tokens": found.num_tokens,
            "trained_tokens": found.num_trained,
            "cut": found.num_cut,
            "dropped": len(found.dropped),
            "unanswered": found.unanswered,
            "leaks": len(self.leaks),
            "unknown_tokens": self.unknown,
        }

    def about(self) -> str:
        """The parts in words."""
        share = self.all.num_trained / self.all.num_tokens
        return (
            f"{len(self.learned):,} conversations to learn from, {len(self.held_out):,} held out, {len(self.test):,} to "
            f"test, {self.all.num_tokens:,} tokens, {share:.0%} of them learned"
        )

    def notes(self) -> list[str]:
        """What a person should know before the training: what was left out, what leaks, what can't be read."""
        lines = said(self.all)
        if leaks := self.leaks:
            twins = some([f"{_line(first)} as {_line(second)}" for first, second in leaks])
            lines.append(f"leakage: {len(leaks)} held-out or test questions are learned from too ({twins})")
        if self.unknown:
            lines.append(f"{self.unknown:,} tokens are unknown to this vocabulary")
        return lines


def said(examples: Examples) -> list[str]:
    """What was left out of examples, a line for each way."""
    lines = []
    if examples.num_cut:
        lines.append(f"{examples.num_cut:,} conversations were too long and lost their oldest turns")
    if dropped := examples.dropped:
        lines.append(f"{len(dropped):,} conversations were too long and are dropped ({some(dropped)})")
    if examples.unanswered:
        lines.append(f"{examples.unanswered:,} conversations end with a question that nobody answered: it is left out")
    return lines


def read_examples(path: Path, model: LanguageModel, settings: ExampleSettings) -> Examples:
    """The examples of a file for a model that has its template. Errors: `UserError` with file and line; see `make_examples`.

    And for a `max_length` that the model can't read, or a template whose own words are not in the vocabulary.
    """
    template = model.conventions.template
    assert template is not None
    length = readable_length(settings.max_length, model.config.context_length)
    _require_readable(template, model.tokenizer)
    conversations = read_conversations(path, input_heading(template))
    return make_examples(
        conversations, template, model.tokenizer, length, settings.too_long, train_prompt=settings.train_prompt
    )


def split_examples(examples: Examples, settings: ChatSettings, tokenizer: Tokenizer, seed: int) -> ChatData:
    """The examples in their three parts, drawn by `seed`; each but an unwanted test part has one at least.

    Errors: `UserError` where nothing is left to learn from.
    """
    kept = examples.kept
    sizes = [_share(fraction, len(kept)) for fraction in (settings.val_fraction, settings.test_fraction)]
    if sum(sizes) >= len(kept):
        raise UserError(f"{len(kept)} examples are too few to hold {sizes[0]} out and test with {sizes[1]}")
    order = permute(np.arange(len(kept)), len(kept), key(seed, "split")).tolist()
    borders = [0, sizes[0], sum(sizes), len(kept)]
    held_out, test, learned = ([kept[place] for place in sorted(order[start:end])] for start, end in pairwise(borders))
    unknown = sum(tokenizer.count_unknown(example.marked.tokens) for example in kept)
    return ChatData(examples, learned, held_out, test, unknown)


def _line(place: str) -> str:
    """A place without its file: "'a.jsonl' line 3" -> "line 3"."""
    return place.rpartition("' ")[2]


def _share(fraction: float, number: int) -> int:
    return max(1, int(fraction * number)) if fraction else 0


def _require_readable(template: ChatTemplate, tokenizer: Tokenizer) -> None:
    """Errors: `UserError` where the template writes what the tokenizer doesn't know: a chat would refuse its prompt."""
    words: Sequence[int] = template.prompt_ids([{"role": "user", "content": ""}], tokenizer)
    if tokenizer.count_unknown(words):
        hint = "choose another with --template, or add its marks with --finetune.new_tokens true"
        raise UserError("the chat template writes what this model can't read", hint=hint)
