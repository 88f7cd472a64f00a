"""From logits to the next token: repetition penalty, top-k, temperature, top-p and min-p. B batch, V vocabulary.

Pure functions on logits (..., V); only `choose` draws, and from the generator that it is given. The module needs
torch's tensors but not its import, so that a command can read `Sampling` for its `--help`.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from hornbook.config import Settings
from hornbook.errors import UserError

if TYPE_CHECKING:
    import torch

LARGEST_PENALTY = 1000  # beyond any use, and far from where a float32 overflows


class Sampling(Settings):
    """How the next token is drawn: in the order of `probabilities`.

    Errors: `UserError` for a negative temperature, a `top_k` below 1, a `top_p` outside (0, 1], a `min_p` outside
    [0, 1] or a `repetition_penalty` outside [0.001, 1000].
    """

    temperature: float = Field(
        0.8, description="divides the logits: 0 always takes the likeliest token, 1 samples as trained"
    )
    top_k: int | None = Field(50, description="only the k likeliest tokens may be drawn")
    top_p: float | None = Field(None, description="only the likeliest tokens that together reach this probability")
    min_p: float | None = Field(None, description="only tokens at least this share as likely as the likeliest")
    repetition_penalty: float = Field(
        1.0, description="makes tokens of the prompt and the text so far less likely: 1 changes nothing"
    )

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
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise UserError(f"min_p '{self.min_p:g}' is outside [0, 1]", hint="0.05 is usual; 0 keeps every token")
        penalty = self.repetition_penalty
        if not 1 / LARGEST_PENALTY <= penalty <= LARGEST_PENALTY:
            raise UserError(
                f"repetition_penalty '{penalty:g}' is not between {1 / LARGEST_PENALTY:g} and {LARGEST_PENALTY}",
                hint="1 changes nothing, 1.2 is usual",
            )
        return self

    @property
    def greedy(self) -> bool:
        """Whether the choice is always the likeliest token."""
        return self.temperature == 0

    @property
    def plain(self) -> bool:
        """Whether the choice is the likeliest token of the logits as they are."""
        return self.greedy and self.repetition_penalty == 1


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


def keep_min_p(logits: "torch.Tensor", p: float) -> "torch.Tensor":
    """Put tokens with less than p times the highest probability at -inf: [0.6, 0.3, 0.1], 0.4 -> the first two stay.

    Where the model is sure little is left to chance, and where it isn't much is.
    Source: Nguyen et al. 2024, "Turning up the heat: min-p sampling".
    """
    shares = logits.softmax(dim=-1)
    return logits.masked_fill(shares < p * shares.amax(dim=-1, keepdim=True), -math.inf)


def penalise_repetition(
    logits: "torch.Tensor", previous: "Sequence[int] | torch.Tensor", penalty: float
) -> "torch.Tensor":
    """Make tokens of `previous` less likely: [3, -2, 1], [0, 1, 0], 2 -> [1.5, -4, 1]; once, however often they came.

    In: logits (V,) with ids (N,), or (B, V) with (B, N). A positive logit is divided, a negative one multiplied:
    both go down. Source: Keskar et al. 2019, "CTRL: a conditional transformer language model".
    """
    if penalty == 1 or len(previous) == 0:
        return logits
    import torch

    ids = torch.as_tensor(previous, dtype=torch.int64, device=logits.device)
    scores = logits.gather(-1, ids)
    return logits.scatter(-1, ids, torch.where(scores < 0, scores * penalty, scores / penalty))


def probabilities(
    logits: "torch.Tensor", sampling: Sampling, previous: "Sequence[int] | torch.Tensor" = ()
) -> "torch.Tensor":
    """The distribution that is drawn from: logits (..., V) -> probabilities (..., V), whose rows sum to 1.

    Order: repetition penalty (on the ids of `previous`), top-k, temperature, top-p, min-p, so that the last two
    measure the tempered distribution. Greedy puts 1 on the likeliest after the penalty.
    """
    logits = penalise_repetition(logits, previous, sampling.repetition_penalty)
    if sampling.greedy:
        likeliest = logits.argmax(dim=-1, keepdim=True)
        return logits.new_zeros(logits.shape).scatter(-1, likeliest, 1.0)
    if sampling.top_k is not None:
        logits = keep_top_k(logits, sampling.top_k)
    # The maximum goes to 0 first: dividing by a tiny temperature then overflows to -inf only, never to nan.
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / sampling.temperature
    if sampling.top_p is not None:
        logits = keep_top_p(logits, sampling.top_p)
    if sampling.min_p is not None:
        logits = keep_min_p(logits, sampling.min_p)
    return logits.softmax(dim=-1)


def choose(
    logits: "torch.Tensor",
    sampling: Sampling,
    generator: "torch.Generator | None" = None,
    previous: "Sequence[int] | torch.Tensor" = (),
) -> "torch.Tensor":
    """Draw the next token of every row: logits (V,) or (B, V) -> ids () or (B,), int64.

    `previous`: the ids that a repetition penalty looks at, (N,) or (B, N). The generator sits on the device of the
    logits. Greedy needs none and takes the first of equals.
    """
    if sampling.greedy:
        return penalise_repetition(logits, previous, sampling.repetition_penalty).argmax(dim=-1)
    return probabilities(logits, sampling, previous).multinomial(1, generator=generator).squeeze(-1)
