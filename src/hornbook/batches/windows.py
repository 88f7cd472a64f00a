"""Windows over a row of tokens: inputs and, one place on, the targets.

B rows in a batch, T = context_length tokens in a row. Targets that must not count are -100, as in
`torch.nn.functional.cross_entropy`.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hornbook.batches.token_file import Tokens
from hornbook.errors import UserError

if TYPE_CHECKING:
    import torch

IGNORED = -100


class Windows:
    """Windows of `context_length` tokens, `stride` apart (one behind the other where not given).

    >>> windows = Windows(np.array([1, 5, 2, 6, 3, 7, 4, 8, 9]), context_length=8)
    >>> windows[0]
    (array([1, 5, 2, 6, 3, 7, 4, 8]), array([5, 2, 6, 3, 7, 4, 8, 9]))

    `padded` takes texts shorter than one window too, which `every_batch` pads (for evaluation); two tokens are the
    least: one to read and one to predict. `name` is what the error calls the tokens.
    Errors: `UserError` where there are too few tokens.
    """

    def __init__(
        self,
        tokens: Tokens,
        context_length: int,
        stride: int | None = None,
        *,
        padded: bool = False,
        name: str = "the text",
    ) -> None:
        _check_sizes(context_length, stride)
        self.tokens, self.context_length, self.stride = tokens, context_length, stride or context_length
        needed = 2 if padded else context_length + 1
        if len(tokens) < needed:
            window = "one token and its target" if padded else f"one window of context_length {context_length} + 1"
            raise UserError(
                f"{name} has {len(tokens)} tokens, but {needed} are needed for {window}",
                hint="give more text" + ("" if padded else ", or a smaller context_length"),
            )

    def __len__(self) -> int:
        """How many whole windows there are: 5,145 tokens, length 4, stride 1 -> 5,141."""
        return max(0, (len(self.tokens) - self.context_length - 1) // self.stride + 1)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Window `index` -> (inputs (T,), targets (T,)) as int64 arrays."""
        if not 0 <= index < len(self):
            raise IndexError(index)  # Python ends a for loop by it
        start = index * self.stride
        row = self.tokens[start : start + self.context_length + 1].astype(np.int64)
        return row[:-1], row[1:]

    def gather(self, starts: np.ndarray | Sequence[int]) -> "tuple[torch.Tensor, torch.Tensor]":
        """The windows that begin at these token offsets -> (inputs (B, T), targets (B, T)), int64."""
        import torch

        rows = np.empty((len(starts), self.context_length + 1), dtype=np.int64)
        for row, start in zip(rows, starts, strict=True):
            row[:] = self.tokens[start : start + self.context_length + 1]
        both = torch.from_numpy(rows)
        return both[:, :-1], both[:, 1:]

    def every_batch(self, batch_size: int) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
        """All windows in order, for evaluation: every token but the first is a target exactly once.

        The last window is padded (token 0, target -100) where the text ends inside it; where windows overlap
        (stride below context_length), the targets that an earlier window had are -100. The last batch may be smaller.
        """
        overlap = max(0, self.context_length - self.stride)
        starts = range(0, max(1, len(self.tokens) - 1 - overlap), self.stride)
        for first in range(0, len(starts), batch_size):
            yield self._padded(starts[first : first + batch_size], overlap)

    def _padded(self, starts: Sequence[int], overlap: int) -> "tuple[torch.Tensor, torch.Tensor]":
        import torch

        inputs = np.zeros((len(starts), self.context_length), dtype=np.int64)
        targets = np.full_like(inputs, IGNORED)
        for row, start in enumerate(starts):
            tokens = self.tokens[start : start + self.context_length + 1]
            seen = overlap if start else 0
            inputs[row, : len(tokens) - 1] = tokens[:-1]
            targets[row, seen : len(tokens) - 1] = tokens[1 + seen :]
        return torch.from_numpy(inputs), torch.from_numpy(targets)


class Microbatches(Sequence["tuple[torch.Tensor, torch.Tensor]"]):
    """The windows that begin at these offsets, `rows` at a time; each portion is read when it is asked for.

    One of several processes asks only for its own.
    """

    def __init__(self, windows: Windows, starts: np.ndarray, rows: int) -> None:
        self.windows, self.starts, self.rows = windows, starts, rows

    def __len__(self) -> int:
        """How many portions; the last may be smaller."""
        return -(-len(self.starts) // self.rows)

    def __getitem__(self, place: Any) -> Any:
        """Portion `place` -> (inputs (B, T), targets (B, T))."""
        if not 0 <= place < len(self):
            raise IndexError(place)  # Python ends a for loop by it
        return self.windows.gather(self.starts[place * self.rows : (place + 1) * self.rows])


def _check_sizes(context_length: int, stride: int | None) -> None:
    if context_length < 1:
        raise UserError(f"context_length must be at least 1, not '{context_length}'")
    if stride is not None and stride < 1:
        hint = f"{context_length} puts windows side by side"
        raise UserError(f"stride must be at least 1, not '{stride}'", hint=hint)
