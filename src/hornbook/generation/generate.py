"""Tokens after a prompt, and a model with its tokenizer: text in, text out (what `hornbook.load(folder)` returns)."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypedDict, Unpack

from torch import Tensor

from hornbook.errors import UserError
from hornbook.generation.lockstep import Picker, generate_batch
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
) -> Iterator[int]:
    """The tokens that follow `prompt_ids`, at most `max_new_tokens`, ending before the first of `stop_ids`.

    Same arguments, same tokens. Of a prompt longer than the context the last `context_length` tokens are read; a full
    context slides (see `lockstep`); a repetition penalty looks at all that was read and written. Ids from `vocab_size`
    on are never drawn. The model is in evaluation mode while the iterator lives.
    Errors: `UserError` for an empty prompt, `max_new_tokens` below 1, or logits without numbers.
    """
    pick = Picker(sampling, seed, frozenset(stop_ids), vocab_size)
    return (token for _, token in generate_batch(model, [prompt_ids], pick, max_new_tokens=max_new_tokens))


SHOWN_UNKNOWN = 5  # of a prompt's unknown characters or words, in the message


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

    def __init__(self, model: Model, tokenizer: Tokenizer, info: dict[str, Any] | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.info = info or {}

    @property
    def config(self) -> ModelConfig:
        """The model's config."""
        return self.model.config

    def generate(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 100,
        seed: int = 0,
        stop: Sequence[str] = (),
        **sampling: Unpack[SamplingOptions],
    ) -> str:
        """The text that follows `prompt`: at most `max_new_tokens` tokens, up to <|endoftext|> or a string of `stop`.

        Same arguments, same text. An empty prompt begins a document. Errors: `UserError`, see `stream`.
        """
        return "".join(self.stream(prompt, max_new_tokens=max_new_tokens, seed=seed, stop=stop, **sampling))

    def stream(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 100,
        seed: int = 0,
        stop: Sequence[str] = (),
        **sampling: Unpack[SamplingOptions],
    ) -> "Continuation":
        """As `generate`, piece by piece: never half a character, never the beginning of a stop string.

        Errors: `UserError` for a setting out of its range, for an empty prompt where the tokenizer has no
        <|endoftext|> to begin from, and for a prompt with characters or words that the tokenizer doesn't know.
        """
        prompt_ids = self.prompt_ids(prompt)
        pieces = generate_tokens(
            self.model,
            prompt_ids,
            Sampling(**sampling),
            max_new_tokens=max_new_tokens,
            seed=seed,
            stop_ids=self._stop_ids(),
            vocab_size=self.tokenizer.vocab_size,
        )
        text = TextStream(self.tokenizer, prompt_ids if prompt else ())
        return Continuation(prompt_ids, pieces, text, StopStrings(stop), max_new_tokens)

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
        draw = Picker(Sampling(**sampling), seed, self._stop_ids(), self.tokenizer.vocab_size)

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
        if not prompt:
            if self.tokenizer.end_of_text is None:
                raise UserError(
                    "the prompt is empty, and this model has no <|endoftext|> to begin from", hint="begin with a word"
                )
            return [self.tokenizer.end_of_text]
        if unknown := self.tokenizer.unknown_parts(prompt):
            shown = ", ".join(f"'{part}'" for part in list(unknown)[:SHOWN_UNKNOWN])
            more = f" and {len(unknown) - SHOWN_UNKNOWN} more" if len(unknown) > SHOWN_UNKNOWN else ""
            hint = f"the {self.tokenizer.kind} vocabulary holds what the training text has; write it otherwise"
            raise UserError(f"the prompt has what this model can't read: {shown}{more}", hint=hint)
        return self.tokenizer.encode(prompt)

    def _stop_ids(self) -> frozenset[int]:
        end = self.tokenizer.end_of_text
        return frozenset() if end is None else frozenset({end})


class Continuation(Iterator[str]):
    """Pieces of text as they are certain; what they came to stands in `text`, `tokens` and `stopped_by`.

    `stopped_by` is None while it runs, then "end of text", "stop string" or "length" (max_new_tokens).
    """

    def __init__(
        self, prompt_ids: list[int], tokens: Iterator[int], stream: TextStream, stops: StopStrings, max_new_tokens: int
    ) -> None:
        self.prompt_ids = prompt_ids
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
            if piece := stops.push(stream.push(token)):
                yield piece
            if stops.stopped:
                break
        if piece := stops.push(stream.finish()) + stops.finish():
            yield piece
        full = len(self.tokens) == self._max_new_tokens
        self.stopped_by = "stop string" if stops.stopped else "length" if full else "end of text"
