"""From logits to the next token: greedy, temperature, top-k and top-p. B batch, V vocabulary.

Pure functions on logits (..., V); only `choose` draws, and from the generator that it is given. The module needs
torch's tensors but not its import, so that a command can read `Sampling` for its `--help`.
"""

import math
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from hornbook.config import Settings
from hornbook.errors import UserError

if TYPE_CHECKING:
    import torch


class Sampling(Settings):
    """How the next token is drawn: the `top_k` likeliest, then temperature, then the nucleus of `top_p`.

    Errors: `UserError` for a negative temperature, a `top_k` below 1 or a `top_p` outside (0, 1].
    """

    temperature: float = Field(
        0.8, description="divides the logits: 0 always takes the likeliest token, 1 samples as trained"
    )
    top_k: int | None = Field(50, description="only the k likeliest tokens may be drawn")
    top_p: float | None = Field(None, description="only the likeliest tokens that together reach this probability")

    @model_validator(mode="after")
    def _check(self) -> "Sampling":
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise UserError(
                f"temperature '{self.temperature:g}' is not a number from 0 up", hint="0 is greedy, 1 unchanged"
            )
        if self.top_k is not None and self.top_k < 1:
            raise UserError(f"top_k '{self.top_k}' is below 1", hint="1 is greedy; leave it out to keep every token")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise UserError(f"top_p '{self.top_p:g}' is outside (0, 1]", hint="0.9 is usual; 1 keeps every token")
        return self

    @property
    def greedy(self) -> bool:
        """Whether the choice is always the likeliest token."""
        return self.temperature == 0


def keep_top_k(logits: "torch.Tensor", k: int) -> "torch.Tensor":
    """Put all but the k highest logits at -inf; ties at the k-th value all survive: [1, 3, 2], 2 -> [-inf, 3, 2]."""
    lowest_kept = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < lowest_kept, -math.inf)


def keep_top_p(logits: "torch.Tensor", p: float) -> "torch.Tensor":
    """Put all but the nucleus at -inf: the fewest of the likeliest tokens whose probabilities reach p, at least one.

    Source: Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration".
    """
    if p >= 1:  # rounding may let the running sum reach 1 early and would drop the least likely tokens
        return logits
    ordered, places = logits.sort(dim=-1, descending=True, stable=True)
    shares = ordered.softmax(dim=-1)
    reached_before = shares.cumsum(dim=-1) - shares >= p
    reached_before[..., 0] = False
    dropped = reached_before.scatter(-1, places, reached_before)
    return logits.masked_fill(dropped, -math.inf)


def probabilities(logits: "torch.Tensor", sampling: Sampling) -> "torch.Tensor":
    """The distribution that is drawn from: logits (..., V) -> probabilities (..., V), whose rows sum to 1.

    Order: top-k, temperature, top-p, so that top-p measures the tempered distribution. Greedy puts 1 on the likeliest.
    """
    if sampling.greedy:
        likeliest = logits.argmax(dim=-1, keepdim=True)
        return logits.new_zeros(logits.shape).scatter(-1, likeliest, 1.0)
    if sampling.top_k is not None:
        logits = keep_top_k(logits, sampling.top_k)
    # The maximum goes to 0 first: dividing by a tiny temperature then overflows to -inf only, never to nan.
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / sampling.temperature
    if sampling.top_p is not None:
        logits = keep_top_p(logits, sampling.top_p)
    return logits.softmax(dim=-1)


def choose(logits: "torch.Tensor", sampling: Sampling, generator: "torch.Generator | None" = None) -> "torch.Tensor":
    """Draw the next token of every row: logits (V,) or (B, V) -> ids () or (B,), int64.

    The generator sits on the device of the logits. Greedy needs none and takes the first of equals.
    """
    if sampling.greedy:
        return logits.argmax(dim=-1)
    return probabilities(logits, sampling).multinomial(1, generator=generator).squeeze(-1)
