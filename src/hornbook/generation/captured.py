"""One more token of every row by a pass that was captured once, so that a GPU is told once a token what to do.

Started one by one, the some hundred kernels of a pass over one token keep Python busy for longer than most GPUs need to
run them. A CUDA graph starts all of them with one call. Source: PyTorch's notes, "CUDA semantics", section CUDA graphs.
B batch, V vocabulary.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from hornbook.layers.fixed_cache import FixedCache
from hornbook.layers.kv_cache import KVCache
from hornbook.models.base import Model

FIRST_ROOM = 128  # tokens; then 256, 512, ..., since attention reads the whole room of a captured pass for every token
WORTH = 32  # tokens that are read plainly before a capture, which takes about as long: never more than twice the time
WARM_UPS = 3  # passes before a capture, as torch.cuda.make_graphed_callables makes them

Pass = Callable[[], Tensor]  # always the same memory in, the same memory out
Capture = Callable[[Pass, Callable[[], None]], Pass]  # a pass, and what undoes it -> what repeats it without its Python


def capture_on(device: torch.device) -> Capture | None:
    """How a pass is captured on a device; None where that gains nothing, as on a CPU, which is told nothing in advance."""
    return partial(_cuda_graph, device) if device.type == "cuda" else None


class _Room(NamedTuple):
    """A captured pass: its cache, where it reads the tokens (B, 1), and what repeats it."""

    cache: FixedCache
    tokens: Tensor
    replay: Pass


class CapturedStep:
    """Reads one token of every row behind what a cache holds. Once a text has gone on for a while, by a captured pass.

    Its room grows in steps (128, 256, ...), each captured anew. The cache may be read into, cut and emptied in between.
    """

    def __init__(self, model: Model, cache: KVCache, capture: Capture) -> None:
        self.model, self.cache = model, cache
        self._capture: Capture | None = capture
        self._waiting = WORTH
        self._room: _Room | None = None

    def read(self, tokens: Tensor) -> Tensor:
        """(B, 1) -> logits of what comes next, (B, V), which the next call may overwrite."""
        room = self._with_place()
        if room is None:
            self._waiting -= 1
            return self._logits(tokens, self.cache)
        if room.cache.length != self.cache.length:
            room.cache.move_to(self.cache.length)
        room.tokens.copy_(tokens)
        logits = room.replay()
        self.cache.advance(1)
        room.cache.length = self.cache.length
        return logits

    def _logits(self, tokens: Tensor, cache: KVCache) -> Tensor:
        return self.model.logits(self.model.hidden(tokens, cache)[:, -1])

    def _with_place(self) -> _Room | None:
        """The captured pass that has a place for one more token, made where it is worth it; else None."""
        length, size = self.cache.length, FIRST_ROOM
        if self._room is not None and length < self._room.cache.capacity:
            return self._room
        while size <= length:
            size *= 2
        size = min(size, self.cache.capacity)
        lasts = size - length >= WORTH or size == self.model.config.context_length  # a text that slides meets it again
        if self._capture is None or self._waiting > 0 or not lasts:
            return None
        self._room = None  # before the next: its memory is free then
        try:
            self._room = self._captured(self._capture, size)
        except NotImplementedError:  # of a model whose positions know one length only: it reads as before
            self._capture = None
        except RuntimeError as error:
            self._capture = None
            warnings.warn(f"tokens are read without a CUDA graph: {error}", stacklevel=2)
        return self._room

    @torch.inference_mode(False)  # what a first capture allocates in that mode, torch can't use in one outside of it
    @torch.no_grad()
    def _captured(self, capture: Capture, size: int) -> _Room:
        cache, length = FixedCache(self.cache, size), self.cache.length
        tokens = torch.zeros(cache.keys.shape[1], 1, dtype=torch.int64, device=cache.keys.device)
        return _Room(cache, tokens, capture(lambda: self._logits(tokens, cache), lambda: cache.move_to(length)))


def _cuda_graph(device: torch.device, step: Pass, undo: Callable[[], None]) -> Pass:
    """Capture a pass in a CUDA graph. Errors: `RuntimeError` where it does what a graph can't, or memory lacks."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        before, stream = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(before)
        with torch.cuda.stream(stream):  # one for both: libraries keep handles and memory by stream
            for _ in range(WARM_UPS):
                step()
                undo()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):  # others may pin memory
                logits = step()
        before.wait_stream(stream)

    def replay() -> Tensor:
        graph.replay()
        return logits

    return replay
