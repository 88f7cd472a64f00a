"""Tokens after a prompt, and a model with its tokenizer: text in, text out (what `hornbook.load(folder)` returns)."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypedDict, Unpack, cast

from torch import Tensor

from hornbook.chat_template import Message
from hornbook.conventions import Conventions, plain
from hornbook.errors import UserError
from hornbook.generation.conversation import require_known, template_for, written_for
from hornbook.generation.held import Held
from hornbook.generation.lockstep import Context, Picker, check_asked, evaluated, generate_batch
from hornbook.generation.lookup import by_lookup
from hornbook.generation.sampling import Sampling
from hornbook.generation.text_stream import StopStrings, TextStream
from hornbook.models.base import Model, ModelConfig
from hornbook.tokenizers.base import Tokenizer


def generate_tokens(
    model: Model,
    prompt_ids: Sequence[int],
    sampling: Sampling,
    *,
    max_new_tokens: int,
    seed: int,
    stop_ids: Collection[int] = (),
    vocab_size: int | None = None,
    lookup: bool = False,
) -> Iterator[int]:
    """The tokens that follow `prompt_ids`, at most `max_new_tokens`, ending before the first of `stop_ids`.

    Same arguments, same tokens. Of a prompt longer than the context the last `context_length` tokens are read; a full
    context slides (see `lockstep`); a repetition penalty looks at all that was read and written. Ids from `vocab_size`
    on are never drawn. The model is in evaluation mode while the iterator lives. With `lookup` tokens are drafted from
    the text itself (see `lookup`): the same tokens, faster where a text repeats what it holds.
    Errors: `UserError` for an empty prompt, `max_new_tokens` below 1, or logits without numbers.
    """
    pick = Picker(sampling, seed, frozenset(stop_ids), vocab_size)
    return _alone(model, prompt_ids, pick, max_new_tokens, lookup=lookup)


def _alone(
    model: Model,
    prompt_ids: Sequence[int],
    pick: Picker,
    max_new_tokens: int,
    *,
    lookup: bool = False,
    held: Held | None = None,
) -> Iterator[int]:
    if not lookup and held is None:
        return (token for _, token in generate_batch(model, [prompt_ids], pick, max_new_tokens=max_new_tokens))
    check_asked([prompt_ids], max_new_tokens)
    return evaluated(model, [_held_text(model, prompt_ids, pick, max_new_tokens, held or Held(), lookup)])


def _held_text(
    model: Model, prompt_ids: Sequence[int], pick: Picker, max_new_tokens: int, held: Held, lookup: bool
) -> Iterator[int]:
    """A text that begins with what `held` has of it, and leaves there what it read."""
    prompt = list(prompt_ids)[-model.config.context_length :]
    context: Context = held.take(model, prompt, len(prompt) + max_new_tokens)
    try:
        yield from by_lookup(context, prompt, pick, max_new_tokens, drafting=lookup)
    finally:
        held.give(context)


class SamplingOptions(TypedDict, total=False):
    """The fields of `Sampling`, whose defaults hold where one is left out."""

    temperature: float
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float


class LanguageModel:
    """A model, its tokenizer and what its folder says of it (`info`).

    >>> model = hornbook.load("runs/tales/model")
    >>> model.generate("Once", max_new_tokens=50, temperature=0)     # the text after "Once"
    >>> for piece in model.stream("Once", seed=1): print(piece, end="", flush=True)
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        info: dict[str, Any] | None = None,
        conventions: Conventions | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.info = info or {}
        self._conventions = conventions

    @property
    def config(self) -> ModelConfig:
        """The model's config."""
        return self.model.config

    @property
    def conventions(self) -> Conventions:
        """How its texts begin and end, and its chat template."""
        return self._conventions or plain(self.tokenizer)

    def with_template(self, name: str) -> "LanguageModel":
        """The same model, talking by another chat template: a name, or a file. Errors: `UserError`, see `template_for`."""
        template = template_for(name, self.tokenizer, self.conventions.before)
        return LanguageModel(
            self.model, self.tokenizer, self.info, self.conventions.with_template(template, self.tokenizer)
        )

    def generate(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 100,
        seed: int = 0,
        stop: Sequence[str] = (),
        lookup: bool = False,
        **sampling: Unpack[SamplingOptions],
    ) -> str:
        """The text that follows `prompt`: at most `max_new_tokens` tokens, up to the model's end or a string of `stop`.

        Same arguments, same text. An empty prompt begins a document. Errors: `UserError`, see `stream`.
        """
        return "".join(
            self.stream(prompt, max_new_tokens=max_new_tokens, seed=seed, stop=stop, lookup=lookup, **sampling)
        )

    def stream(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 100,
        seed: int = 0,
        stop: Sequence[str] = (),
        lookup: bool = False,
        **sampling: Unpack[SamplingOptions],
    ) -> "Continuation":
        """As `generate`, piece by piece: never half a character, never the beginning of a stop string.

        Errors: `UserError` for a setting out of its range, for an empty prompt where the tokenizer has no
        <|endoftext|> to begin from, and for a prompt with characters or words that the tokenizer doesn't know.
        """
        prompt_ids = self.prompt_ids(prompt)
        pick = Picker(Sampling(**sampling), seed, self.conventions.ends, self.tokenizer.vocab_size)
        tokens = _alone(self.model, prompt_ids, pick, max_new_tokens, lookup=lookup)
        text = TextStream(self.tokenizer, prompt_ids if prompt else ())
        return Continuation(prompt_ids, tokens, text, StopStrings(stop), max_new_tokens)

    def chat(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 512,
        seed: int = 0,
        stop: Sequence[str] = (),
        **sampling: Unpack[SamplingOptions],
    ) -> str:
        """The answer to the last of `messages`, each a dict with role and content. Errors: `UserError`, see `stream_chat`."""
        return "".join(self.stream_chat(messages, max_new_tokens=max_new_tokens, seed=seed, stop=stop, **sampling))

    def stream_chat(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 512,
        seed: int = 0,
        stop: Sequence[str] = (),
        lookup: bool = False,
        held: Held | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> "Continuation":
        """As `chat`, piece by piece. Where the context is full the oldest turns are left out, the system's text never.

        How many messages were is in `left_out`; the answer ends where the context does. With `held`, the same one for
        every turn of a conversation, what was read for the last turn is not read again.
        Errors: `UserError` where the model has no chat template, a message is none or doesn't fit in the context
        alone, and as `stream`.
        """
        asked = written_for(
            messages, self.conventions.template, self.tokenizer, self.config.context_length, max_new_tokens
        )
        ends = self.conventions.ends | asked.ends
        pick = Picker(Sampling(**sampling), seed, ends, self.tokenizer.vocab_size)
        tokens = _alone(self.model, asked.prompt_ids, pick, asked.max_new_tokens, lookup=lookup, held=held)
        text, stops = TextStream(self.tokenizer), StopStrings(stop)
        return Continuation(asked.prompt_ids, tokens, text, stops, asked.max_new_tokens, asked.left_out)

    def generate_many(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int = 100,
        seed: int = 0,
        stop: Sequence[str] = (),
        **sampling: Unpack[SamplingOptions],
    ) -> list[str]:
        """The text that follows each of many prompts, given as tokens (see `prompt_ids`) and computed together.

        Greedy texts are those of `generate` for each alone. Errors: `UserError`, see `stream`.
        """
        streams = [TextStream(self.tokenizer, prompt) for prompt in prompts]
        stops = [StopStrings(stop) for _ in prompts]
        texts = ["" for _ in prompts]
        draw = Picker(Sampling(**sampling), seed, self.conventions.ends, self.tokenizer.vocab_size)

        def pick(number: int, place: int, logits: Tensor, row: Sequence[int]) -> int | None:
            return None if stops[number].stopped else draw(number, place, logits, row)

        for number, token in generate_batch(self.model, prompts, pick, max_new_tokens=max_new_tokens):
            texts[number] += stops[number].push(streams[number].push(token))
        return [
            text + stopper.push(stream.finish()) + stopper.finish()
            for text, stream, stopper in zip(texts, streams, stops, strict=True)
        ]

    def prompt_ids(self, prompt: str) -> list[int]:
        """The tokens that generation starts from. Errors: `UserError`, see `stream`."""
        before = list(self.conventions.before)
        if not prompt:
            if not before and self.tokenizer.end_of_text is None:
                raise UserError(
                    "the prompt is empty, and this model has no <|endoftext|> to begin from", hint="begin with a word"
                )
            return before or [cast(int, self.tokenizer.end_of_text)]
        require_known("the prompt", prompt, self.tokenizer)
        return [*before, *self.tokenizer.encode(prompt)]


class Continuation(Iterator[str]):
    """Pieces of text as they are certain; what they came to stands in `text`, `tokens` and `stopped_by`.

    Of a conversation, `left_out` counts the messages that had no room; None where it is none.
    `stopped_by` is None while it runs, then "end of text", "stop string" or "length" (max_new_tokens).
    """

    def __init__(
        self,
        prompt_ids: list[int],
        tokens: Iterator[int],
        stream: TextStream,
        stops: StopStrings,
        max_new_tokens: int,
        left_out: int | None = None,
    ) -> None:
        self.prompt_ids = prompt_ids
        self.left_out = left_out
        self.text = ""
        self.tokens: list[int] = []
        self.stopped_by: str | None = None
        self._max_new_tokens = max_new_tokens
        self._pieces = self._run(tokens, stream, stops)

    def __next__(self) -> str:
        """The next piece, never ''."""
        piece = next(self._pieces)
        self.text += piece
        return piece

    def _run(self, tokens: Iterator[int], stream: TextStream, stops: StopStrings) -> Iterator[str]:
        for token in tokens:
            self.tokens.append(token)
            if piece := self._bare(stops.push(stream.push(token))):
                yield piece
            if stops.stopped:
                break
        if piece := self._bare(stops.push(stream.finish()) + stops.finish()):
            yield piece
        full = len(self.tokens) == self._max_new_tokens
        self.stopped_by = "stop string" if stops.stopped else "length" if full else "end of text"

    def _bare(self, piece: str) -> str:
        """An answer without the space that some templates leave to it: they write it themselves in what was said before."""
        return piece if self.left_out is None or self.text else piece.lstrip()
