"""Conversations as examples to learn from: which tokens are trained, what is done with those that are too long.

The template makes the text of a conversation, the same in training and in a chat; here it is only asked for the marks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hornbook.chat_template import ChatTemplate, Message
from hornbook.errors import UserError
from hornbook.finetuning.conversation import Marked
from hornbook.finetuning.messages import Conversation
from hornbook.finetuning.rows import Row
from hornbook.tokenizers.base import Tokenizer

TooLong = Literal["cut", "drop", "refuse"]


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as it is learned from, and the `cut` messages at its beginning that had no room."""

    conversation: Conversation
    marked: Marked
    cut: tuple[Message, ...] = ()

    @property
    def row(self) -> Row:
        """What the model reads and what it is asked."""
        return self.marked.row()


@dataclass(frozen=True, slots=True)
class Examples:
    """What came of a file of conversations: the examples, and the places of those that were dropped for their length."""

    kept: tuple[Example, ...]
    dropped: tuple[str, ...] = ()

    @property
    def num_cut(self) -> int:
        """How many lost their oldest turns."""
        return sum(bool(example.cut) for example in self.kept)

    @property
    def num_tokens(self) -> int:
        """The tokens of all."""
        return sum(len(example.marked.tokens) for example in self.kept)

    @property
    def num_trained(self) -> int:
        """The tokens of all that are trained."""
        return sum(sum(example.marked.trained) for example in self.kept)

    @property
    def unanswered(self) -> int:
        """How many conversations went on behind the last answer: what stood there is left out."""
        return sum(bool(example.conversation.unanswered) for example in self.kept)


def make_examples(
    conversations: Sequence[Conversation],
    template: ChatTemplate,
    tokenizer: Tokenizer,
    max_length: int,
    too_long: TooLong = "cut",
    *,
    train_prompt: bool = False,
) -> Examples:
    """The examples in order, none of more than `max_length` tokens to read (the last token is only asked for).

    Of one that is longer "cut" leaves out the oldest questions with their answers, never the system's message and never
    a part of a message; "drop" leaves out the example. Errors: `UserError` with file and line for one that is too long
    where "refuse" is asked for or its last question and answer alone are; for what the template can't say; where nothing
    is left.
    """
    kept, dropped = [], []
    for conversation in conversations:
        example = mark_conversation(conversation, template, tokenizer, train_prompt=train_prompt)
        if _fits(example, max_length):
            kept.append(example)
        elif too_long == "drop":
            dropped.append(conversation.place)
        else:
            kept.append(_cut(example, template, tokenizer, max_length, train_prompt, too_long))
    if not kept:
        raise UserError(f"all {len(dropped)} examples are longer than max_length {max_length}, so none is left")
    return Examples(tuple(kept), tuple(dropped))


def mark_conversation(
    conversation: Conversation, template: ChatTemplate, tokenizer: Tokenizer, *, train_prompt: bool = False
) -> Example:
    """The whole conversation as an example. Errors: `UserError` with its place for what the template can't say."""
    try:
        tokens, own = template.marked(conversation.messages, tokenizer)
        marked = Marked(tokens, [True] * len(tokens) if train_prompt else own)
        marked.row()
    except UserError as error:
        raise UserError(f"{conversation.place}: {error}") from None
    return Example(conversation, marked)


def shared_prompts(first: Sequence[Example], second: Sequence[Example]) -> list[tuple[str, str]]:
    """The places of examples of `first` that ask what one of `second` asks, and of that one: what leaks between parts."""
    places = {example.conversation.prompt_text: example.conversation.place for example in reversed(second)}
    return [
        (example.conversation.place, places[example.conversation.prompt_text])
        for example in first
        if example.conversation.prompt_text in places
    ]


def _fits(example: Example, max_length: int) -> bool:
    return len(example.marked.tokens) - 1 <= max_length


def _cut(
    example: Example,
    template: ChatTemplate,
    tokenizer: Tokenizer,
    max_length: int,
    train_prompt: bool,
    too_long: TooLong,
) -> Example:
    """The example without its oldest turns, as few as must go."""
    place, tokens = example.conversation.place, len(example.marked.tokens) - 1
    line = f"{place}: {tokens:,} tokens are more than max_length {max_length}"
    if too_long == "refuse":
        raise UserError(line, hint="--finetune.too_long cut leaves out the oldest turns, drop the whole example")
    for shorter in shorter_ones(example.conversation):
        found = mark_conversation(shorter, template, tokenizer, train_prompt=train_prompt)
        if _fits(found, max_length):
            gone = len(example.conversation.messages) - len(shorter.messages)
            start = int(shorter.messages[0]["role"] == "system")
            return Example(shorter, found.marked, example.conversation.messages[start : start + gone])
    many = "" if len(example.conversation.messages) <= 2 else ", and so are those of its last question and answer alone"
    raise UserError(f"{line}{many}", hint="--finetune.too_long drop leaves such examples out, and says how many")


def shorter_ones(conversation: Conversation) -> Iterator[Conversation]:
    """The conversation without its first question and answer, without its first two, and so on; the last answer stays."""
    start = int(conversation.messages[0]["role"] == "system")
    head, turns = conversation.messages[:start], conversation.messages[start:]
    answers = [place for place, message in enumerate(turns) if message["role"] == "assistant"]
    for place in answers[:-1]:
        yield Conversation((*head, *turns[place + 1 :]), conversation.place, conversation.unanswered)
