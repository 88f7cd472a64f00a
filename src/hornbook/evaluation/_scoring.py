"""How likely a model finds endings of a text: what it gives each of several, the beginning read once for all.

E endings, P tokens of the beginning, T tokens of the longest ending, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.evaluation._held_out import MOST_LOGITS
from hornbook.generation.generate import LanguageModel
from hornbook.layers.evaluating import evaluating
from hornbook.layers.kv_cache import KVCache
from hornbook.models.base import Model

Encode = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Scored:
    """The logarithm (nats) of an ending's probability, and whether it is what the model writes greedily."""

    log_probability: float
    is_greedy: bool


def score_endings(
    language_model: LanguageModel, beginning: Sequence[int], endings: Sequence[Sequence[int]]
) -> list[Scored]:
    """What the model gives each of `endings` behind `beginning`, in tokens, none empty, which fit (see `room_for`)."""
    assert all([beginning, endings, *endings]), "a beginning and endings have tokens"
    model, vocab_size = language_model.model, language_model.tokenizer.vocab_size
    wanted = torch.tensor(padded(endings), device=next(model.parameters()).device)  # (E, T)
    with evaluating(model):
        hidden = _hidden(model, beginning, wanted)  # (E, T, C)
        scores, greedy = [], []
        step = max(1, MOST_LOGITS // (len(endings) * model.config.vocab_size))
        for first in range(0, wanted.shape[1], step):
            asked = wanted[:, first : first + step]
            logits = model.logits(hidden[:, first : first + step])[..., :vocab_size].float()
            scores.append(logits.log_softmax(-1).gather(-1, asked[..., None])[..., 0])
            greedy.append(logits.argmax(-1) == asked)
    score, is_greedy = torch.cat(scores, 1).double().cpu(), torch.cat(greedy, 1).cpu()  # (E, T)
    if score.isnan().any():
        raise UserError("the model gives no numbers (nan)", hint="its training failed: use an earlier checkpoint")
    return [
        Scored(float(score[row, : len(ending)].sum()), bool(is_greedy[row, : len(ending)].all()))
        for row, ending in enumerate(endings)
    ]


def split(encode: Encode, text: str, continuations: Sequence[str]) -> tuple[list[int], list[list[int]]]:
    """A text and several that may follow it, as tokens: those that all share, and for each its own.

    Each is encoded together with the text, as in training. A token that reaches across the border belongs to the
    continuation, and so do those before it where another continuation's tokens part earlier: all are asked the same.
    """
    together = [encode(text + each) for each in continuations]
    shared = min(common_length([encode(text), *together]), min(map(len, together)) - 1)
    if shared == 0:  # nothing of the text is left: the document begins here
        return encode(""), together
    return together[0][:shared], [row[shared:] for row in together]


def room_for(language_model: LanguageModel, endings: Sequence[Sequence[int]]) -> int:
    """How many tokens of a beginning fit before the longest of `endings`: its last token is never read.

    Errors: `UserError` where there is no room for a single one.
    """
    longest, limit = max(map(len, endings)), language_model.config.context_length
    if longest > limit:
        raise UserError(f"an ending of {longest} tokens doesn't fit into the context of {limit}")
    return limit - longest + 1


def padded(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Rows of one length, filled with 0 at the end: what comes behind a token changes nothing about it."""
    longest = max(map(len, rows))
    return [[*row, *[0] * (longest - len(row))] for row in rows]


def _hidden(model: Model, beginning: Sequence[int], wanted: Tensor) -> Tensor:
    """The vectors from which each token of `wanted` (E, T) is guessed: (E, T, C)."""
    num_endings, longest = wanted.shape
    once = model.new_cache(1, len(beginning))
    first = model.hidden(torch.tensor([list(beginning)], device=wanted.device), once)[:, -1:]  # (1, 1, C)
    first = first.expand(num_endings, -1, -1)
    if longest == 1:
        return first
    cache = _repeated(model, once, num_endings, longest - 1)
    return torch.cat([first, model.hidden(wanted[:, :-1], cache)], dim=1)


def _repeated(model: Model, once: KVCache, rows: int, more: int) -> KVCache:
    """The cache of one row for `rows` alike, with room for `more` tokens."""
    cache = model.new_cache(rows, once.length + more)
    cache.keys[..., : once.length, :] = once.keys[..., : once.length, :]
    cache.values[..., : once.length, :] = once.values[..., : once.length, :]
    cache.advance(once.length)
    return cache


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """How many first tokens all rows share: [[1, 2, 3], [1, 2, 4, 5]] -> 2."""
    columns = zip(*rows, strict=False)
    return next((place for place, column in enumerate(columns) if len(set(column)) > 1), min(map(len, rows)))
