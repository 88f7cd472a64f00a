"""What the last text left in the cache, for the next that begins as it did: a conversation's turns are read once."""

from collections import deque
from collections.abc import Sequence

from hornbook.generation.lockstep import Context
from hornbook.layers.kv_cache import KVCache
from hornbook.models.base import Model

KEPT = 4  # texts; each is as large as its keys and values
WORTH = 16  # tokens: fewer are read about as fast as one


class Held:
    """The context of the last text of one model, whose weights stay as they are; an argument, so that nothing is hidden."""

    def __init__(self) -> None:
        self._context: Context | None = None

    def take(self, model: Model, prompt: Sequence[int], expected: int) -> Context:
        """A context of one row with as much of `prompt` as was read before; at least its last token is left to read.

        `expected` is how many tokens the text may come to. The caller owns the context until it is given back.
        """
        old, self._context = self._context, None
        same = 0 if old is None or old.model is not model else common(prompt[:-1], old.tokens[0, : old.length].tolist())
        if old is None or same == 0:
            return Context(model, 1, expected)
        old.forget(old.length - same)
        if old.room >= min(old.limit, expected):
            return old
        context = Context(model, 1, expected)
        context.adopt(old)
        return context

    def give(self, context: Context) -> None:
        """Keep a context for the next text."""
        self._context = context


class Past:
    """The last few texts that were read, each with its cache: a prompt that begins as one of them is begun from it."""

    def __init__(self) -> None:
        self._texts: deque[tuple[list[int], KVCache]] = deque(maxlen=KEPT)

    def keep(self, tokens: Sequence[int], cache: KVCache) -> None:
        """Remember a text and the cache that holds it, which is not to be changed any more."""
        if len(tokens) >= WORTH:
            self._texts.append((list(tokens), cache))

    def begin(self, cache: KVCache, tokens: Sequence[int]) -> int:
        """Copy into an empty cache what is known of `tokens`; out: how many of them, never all."""
        known = [(common(tokens[:-1], text), old) for text, old in self._texts]
        most, old = max(known, key=lambda pair: pair[0], default=(0, cache))
        if most < WORTH:
            return 0
        cache.adopt(old, most)
        return most


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two texts begin with alike: [1, 2, 3], [1, 2, 4, 5] -> 2."""
    pairs = zip(first, second, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(first), len(second)))
