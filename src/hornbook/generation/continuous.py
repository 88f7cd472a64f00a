"""Continuous batching: texts are written together, each step one token of every text; they join and leave in between.

add(number, request) -> waits -> its prompt is read, it takes a seat -> one token a step -> its end, or remove(number)

A text's tokens are those of the text alone (`lockstep`), up to the rounding of sums: the draw of each is a pure function
of (seed, place), and each text knows its own positions only.
Source: Yu et al. 2022, "Orca: a distributed serving system for transformer-based generative models", section 3.1.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.generation.held import Past
from hornbook.generation.lockstep import Picker
from hornbook.generation.sampling import Sampling
from hornbook.layers.kv_cache import KVCache, SeatCache
from hornbook.models.base import Model

Ending = Literal["end of text", "length", "no numbers"]


@dataclass(frozen=True)
class Request:
    """A text to be written: its prompt, how to draw, when to stop.

    `choice` numbers several texts of one prompt and seed, which draw apart; 0 draws as `generate` does.
    """

    prompt: Sequence[int]
    sampling: Sampling
    max_new_tokens: int
    seed: int = 0
    choice: int = 0
    stop_ids: frozenset[int] = frozenset()
    alternatives: int | None = None  # how many of the likeliest tokens beside the chosen one; None: no logarithms

    def __post_init__(self) -> None:
        if not self.prompt:
            raise UserError("the prompt has no tokens", hint="begin with a letter, or with <|endoftext|>")
        if self.max_new_tokens < 1:
            raise UserError(f"max_new_tokens '{self.max_new_tokens}' is below 1")


@dataclass(frozen=True)
class Written:
    """One token of text `number`, or its end (`token` None). `likeliest`: (token, ln p), the chosen one's is `logarithm`."""

    number: int
    token: int | None
    ending: Ending | None = None
    logarithm: float | None = None
    likeliest: tuple[tuple[int, float], ...] = ()


@dataclass
class _Text:
    number: int
    request: Request
    pick: Picker
    row: list[int]  # the prompt, as much of it as was read, and what was written
    written: int = 0
    held: int = 0  # so many of the last tokens the cache holds
    logits: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)  # (V,) for what comes next
    own: KVCache | None = field(default=None, repr=False)  # where the model can't hold several lengths at a time


class Continuous:
    """The texts that a model is writing: `add`, then `step` until nothing is `busy`. Not for several threads at once."""

    def __init__(self, model: Model, seats: int = 64, vocab_size: int | None = None) -> None:
        self.model, self.seats, self.vocab_size = model.eval(), seats, vocab_size
        self.limit, self.device = model.config.context_length, next(model.parameters()).device
        self.waiting: deque[tuple[int, Request]] = deque()
        self.texts: list[_Text] = []  # by seat
        self.cache = SeatCache(model.new_cache(1), seats) if _can_sit_together(model) else None
        self.past = Past()

    @property
    def busy(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.texts or self.waiting)

    def add(self, number: int, request: Request) -> None:
        """Let a text wait for its turn; `number` is what it is called by."""
        self.waiting.append((number, request))

    def remove(self, number: int) -> None:
        """Forget a text, whether it waits or is being written; nothing where it has ended already."""
        self.waiting = deque(item for item in self.waiting if item[0] != number)
        for seat, text in enumerate(self.texts):
            if text.number == number:
                self._leave(seat)
                return

    @torch.inference_mode()
    def step(self) -> list[Written]:
        """One more token for every text that has a seat, after one that waits has been given a free one."""
        if self.waiting and len(self.texts) < self.seats:
            text = self._text(*self.waiting.popleft())
            self._sit(text, text.row)
        news = self._picked()
        ended = {written.number for written in news if written.token is None}
        for seat in reversed(range(len(self.texts))):
            if self.texts[seat].number in ended:
                self._leave(seat)
        if self.texts:
            self._read()
        return news

    def _sit(self, text: _Text, tokens: Sequence[int]) -> None:
        """Read the tokens of a text that has no seat, and give it one."""
        cache = self.model.new_cache(1, len(tokens) if self.cache else self.limit)
        begun = self.past.begin(cache, tokens)
        text.logits, text.held = self._after(tokens[begun:], cache), len(tokens)
        if self.cache:
            self.cache.join(cache)
        else:
            text.own = cache
        self.texts.append(text)

    def _leave(self, seat: int) -> None:
        """Free a seat; the last text moves there. What was read may be another text's beginning."""
        text = self.texts[seat]
        if text.held == len(text.row):  # else it has slid, or a token of it is still to be read
            own = self.cache.text_in(seat) if self.cache else text.own
            assert own is not None
            self.past.keep(text.row, own)
        moved = self.cache.leave(seat) if self.cache else len(self.texts) - 1
        self.texts[seat] = self.texts[moved]
        self.texts.pop()

    def _text(self, number: int, request: Request) -> _Text:
        pick = Picker(request.sampling, request.seed, request.stop_ids, self.vocab_size)
        return _Text(number, request, pick, list(request.prompt)[-self.limit :])

    def _picked(self) -> list[Written]:
        """The next token of each text, or its end. The plain greedy ones are found together."""
        if not self.texts:
            return []
        logits = torch.stack([text.logits for text in self.texts])[:, : self.vocab_size]
        finite, likeliest = logits.amax(dim=-1).isfinite().tolist(), logits.argmax(dim=-1).tolist()
        return [
            self._next(text, logits[seat], likeliest[seat])
            if finite[seat]
            else Written(text.number, None, "no numbers")
            for seat, text in enumerate(self.texts)
        ]

    def _next(self, text: _Text, logits: Tensor, likeliest: int) -> Written:
        request = text.request
        if text.written == request.max_new_tokens:
            return Written(text.number, None, "length")
        token = likeliest if request.sampling.plain else text.pick(request.choice, text.written, logits, text.row)
        if token is None or token in request.stop_ids:
            return Written(text.number, None, "end of text")
        text.row.append(token)
        text.written += 1
        if request.alternatives is None:
            return Written(text.number, token)
        logarithms = logits.log_softmax(dim=-1)
        values, ids = logarithms.topk(min(request.alternatives, len(logits)))
        pairs = tuple(zip(ids.tolist(), values.tolist(), strict=True))
        return Written(text.number, token, None, float(logarithms[token]), pairs)

    def _read(self) -> None:
        """Let the model read what was written last; a text that has filled the context goes on from its last half."""
        full = [seat for seat, text in enumerate(self.texts) if text.held == self.limit]
        out = [self.texts[seat] for seat in reversed(full)]
        for seat in reversed(full):
            self._leave(seat)
        if self.cache and self.texts:
            self._read_together(self.cache)
        elif self.texts:
            for text in self.texts:
                assert text.own is not None
                text.logits = self._after(text.row[-1:], text.own)
        for text in self.texts:
            text.held += 1
        for text in out:
            self._sit(text, text.row[-max(1, self.limit // 2) :])

    def _read_together(self, cache: SeatCache) -> None:
        tokens = torch.tensor([text.row[-1:] for text in self.texts], device=self.device)
        logits = self.model.logits(self.model.hidden(tokens, cache)[:, -1]).float().cpu()
        for text, one in zip(self.texts, logits, strict=True):
            text.logits = one

    def _after(self, tokens: Sequence[int], cache: KVCache) -> Tensor:
        """What comes next, (V,), when further tokens of one text were read."""
        hidden = self.model.hidden(torch.tensor([list(tokens)], device=self.device), cache)
        return self.model.logits(hidden[:, -1])[0].float().cpu()


@torch.inference_mode()
def _can_sit_together(model: Model) -> bool:
    """Whether the model can hold texts of different lengths in one cache: tried on two."""
    seats = SeatCache(model.new_cache(1), 2)
    zero = torch.zeros(1, 1, dtype=torch.int64, device=next(model.parameters()).device)
    for _ in range(2):
        cache = model.new_cache(1, 1)
        model.hidden(zero, cache)
        seats.join(cache)
    try:
        model.hidden(zero.expand(2, 1), seats)
    except NotImplementedError:
        return False
    return True
