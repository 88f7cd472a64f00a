"""The generation loop: one token at a time, with a cache, for one prompt or many read in lockstep.

When the context is full, the window slides: the last half of the tokens (context_length // 2) is kept, the cache is
built again from them, and generation goes on. Positions restart at 0 with the first token kept, so the model never
meets a position that it wasn't trained on; what slid out is forgotten. This costs one pass over half a context for
every half context of new tokens.

B batch, T sequence, V vocabulary.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from hornbook.errors import UserError
from hornbook.generation.captured import CapturedStep, capture_on
from hornbook.generation.sampling import Sampling, choose
from hornbook.models.base import Model
from hornbook.randomness import torch_generator

BATCH_SIZE = 32  # prompts read together: in larger batches lengths differ more, and the short wait for the long

Token = TypeVar("Token")

# (prompt, how many came before, logits (V,), the prompt's tokens and those that came) -> token, or None for the end
Pick = Callable[[int, int, torch.Tensor, Sequence[int]], int | None]


@dataclass(frozen=True, slots=True)
class Picker:
    """Draws the next token of one text: a pure function of the logits, the text so far and (seed, prompt, place).

    None, the end, for any of `stop_ids`. Ids from `vocab_size` on (padding rows of an output layer) are never drawn.
    """

    sampling: Sampling
    seed: int = 0
    stop_ids: frozenset[int] = frozenset()
    vocab_size: int | None = None

    def __call__(self, prompt: int, place: int, logits: torch.Tensor, row: Sequence[int]) -> int | None:
        """The token `place` after prompt number `prompt`: logits (V,) -> id, or None for the end.

        `row` is the text so far, prompt and all: what a repetition penalty looks at.
        """
        logits = logits[: self.vocab_size]
        highest, likeliest = logits.max(dim=-1)  # of equals the first, as a greedy choice takes it
        if not math.isfinite(float(highest)):
            raise UserError(
                "the model gives no numbers (nan or infinite logits)",
                hint="its training failed: use an earlier checkpoint",
            )
        token = int(likeliest) if self.sampling.plain else self._choose(prompt, place, logits, row)
        return None if token in self.stop_ids else token

    def _choose(self, prompt: int, place: int, logits: torch.Tensor, row: Sequence[int]) -> int:
        generator = None if self.sampling.greedy else torch_generator(self.seed, "generate", prompt, place)
        size = len(logits)
        seen = [] if self.sampling.repetition_penalty == 1 else [token for token in set(row) if token < size]
        return int(choose(logits, self.sampling, generator, seen))


class Context:
    """The tokens that a model is reading, with their cache; all rows are equally long.

    `expected` is how many tokens a row may come to: a cache for the whole context of a long-context model would
    take gigabytes for a short text.
    """

    def __init__(self, model: Model, batch_size: int, expected: int) -> None:
        self.model = model
        self.limit = model.config.context_length
        self.device = next(model.parameters()).device
        room = min(self.limit, expected)
        self.tokens = torch.empty(batch_size, room, dtype=torch.int64, device=self.device)
        with torch.inference_mode(False):  # a captured pass writes into it, which is captured outside that mode
            self.cache = model.new_cache(batch_size, room)
        capture = capture_on(self.cache.keys.device)
        self._step = None if capture is None else CapturedStep(model, self.cache, capture)

    @property
    def length(self) -> int:
        """How many tokens of a row are held."""
        return self.cache.length

    @property
    def room(self) -> int:
        """How many tokens a row may come to before it slides."""
        return self.tokens.shape[1]

    def adopt(self, other: "Context") -> None:
        """Hold what `other` holds."""
        self.tokens[:, : other.length] = other.tokens[:, : other.length]
        self.cache.adopt(other.cache, other.length)

    def read(self, tokens: torch.Tensor) -> torch.Tensor:
        """Read further tokens (B, T), sliding where they don't fit -> logits (B, V) for what comes next, on the CPU."""
        tokens = self._placed(tokens)
        if self._step is not None and tokens.shape[1] == 1:
            return self._step.read(tokens).float().cpu()
        return self._scores(self.model.hidden(tokens, self.cache)[:, -1])

    def read_each(self, tokens: Sequence[int], last: int) -> torch.Tensor:
        """As `read`, of one row: tokens T -> logits (last, V) of what comes next after each of the last ones."""
        if len(tokens) == 1:
            return self.read(torch.tensor([tokens]))
        return self._scores(self.model.hidden(self._placed(torch.tensor([tokens])), self.cache)[0, -last:])

    def forget(self, count: int) -> None:
        """Undo the reading of the last `count` tokens."""
        self.cache.truncate(self.length - count)

    def _placed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Note further tokens (B, T); out: those that are to be read, after a slide more."""
        tokens = tokens.to(self.device)
        held, end = self.length, self.length + tokens.shape[1]
        if end > self.limit:
            tokens = torch.cat([self.tokens[:, :held], tokens], dim=1)[:, -max(1, self.limit // 2) :]
            self.cache.reset()
            held, end = 0, tokens.shape[1]
        self.tokens[:, held:end] = tokens
        return tokens

    def _scores(self, hidden: torch.Tensor) -> torch.Tensor:
        # The CPU draws, whatever the model runs on: the same seed then means the same draws on every device.
        return self.model.logits(hidden).float().cpu()


def generate_batch(
    model: Model, prompts: Sequence[Sequence[int]], pick: Pick, *, max_new_tokens: int
) -> Iterator[tuple[int, int]]:
    """The tokens that follow each of many prompts, as they come: pairs (number of the prompt, token).

    A prompt's text ends when `pick` says None. Greedy texts equal the lone ones, up to the rounding of sums.
    Errors: `UserError` for an empty prompt, `max_new_tokens` below 1, or logits without numbers.
    """
    check_asked(prompts, max_new_tokens)
    # Like lengths go together: the shortest prompt of a batch says how much can be read in one pass.
    by_length = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    batches = (by_length[start : start + BATCH_SIZE] for start in range(0, len(by_length), BATCH_SIZE))
    return evaluated(
        model, (_together(model, {n: prompts[n] for n in batch}, pick, max_new_tokens) for batch in batches)
    )


def check_asked(prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    """Errors: `UserError` for an empty prompt or `max_new_tokens` below 1."""
    if max_new_tokens < 1:
        raise UserError(f"max_new_tokens '{max_new_tokens}' is below 1")
    if not all(prompts):
        raise UserError("the prompt has no tokens", hint="begin with a letter, or with <|endoftext|>")


def evaluated(model: Model, streams: Iterable[Iterator[Token]]) -> Iterator[Token]:
    """The streams one after the other, with the model in evaluation mode (no dropout) until the last is done."""
    was_training = model.training
    model.eval()
    try:
        for stream in streams:
            yield from stream
    finally:
        model.train(was_training)


@torch.inference_mode()  # on a generator function torch enters the mode for each step only, never for the caller
def _together(
    model: Model, prompts: dict[int, Sequence[int]], pick: Pick, max_new_tokens: int
) -> Iterator[tuple[int, int]]:
    """Read all prompts in lockstep: at position t a row takes its prompt's token t, or past its end a new one.

    Every row is at the same position, so nothing is padded or masked and a row's result is that of the row alone.
    """
    rows = {number: list(prompt[-model.config.context_length :]) for number, prompt in prompts.items()}
    lengths = {number: len(row) for number, row in rows.items()}
    start, end = min(lengths.values()), max(lengths.values()) + max_new_tokens
    context = Context(model, len(rows), expected=end)
    finished: set[int] = set()
    column = torch.tensor([row[:start] for row in rows.values()])
    for position in range(start, end):
        logits = dict(zip(rows, context.read(column), strict=True))
        for number, row in rows.items():
            if position < lengths[number] or number in finished:
                continue
            place = position - lengths[number]
            token = pick(number, place, logits[number], row) if place < max_new_tokens else None
            if token is None:
                finished.add(number)
                continue
            row.append(token)
            yield number, token
        if len(finished) == len(rows):
            return
        column = torch.tensor([[row[position] if position < len(row) else row[-1]] for row in rows.values()])
