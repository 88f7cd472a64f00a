"""Muon: the matrices inside the blocks step in an orthogonal direction, everything else by AdamW. One torch optimizer.

A gradient's momentum is dominated by a few directions; making all its singular values equal moves the weak ones as
well, and small models learn in fewer steps. Sources: Jordan et al. 2024, "Muon: an optimizer for hidden layers in
neural networks"; the size of the step: Liu et al. 2025, "Muon is scalable for LLM training" (Moonlight).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from hornbook.optimizers.base import Named, OptimizerRecipe, decay_groups, trainable
from hornbook.sharded import matching_part, whole

# Coefficients of x -> a x + b x^3 + c x^5, chosen by Jordan for the steepest slope at 0: five rounds bring singular
# values from 0.01 .. 1 to about 0.7 .. 1.2, near enough to 1; exactly 1 would take many more rounds.
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
MOST_TOGETHER = (
    1 << 24
)  # numbers in one batch of matrices: enough to be quick, and no memory beside a large model's own
ADAMW_RMS = 0.2  # the usual root mean square of an AdamW update, which a Muon step is scaled to


class Muon(OptimizerRecipe):
    """Muon's settings. Its steps have AdamW's size, so both halves may share one learning rate and one decay."""

    learning_rate: PositiveFloat = 3e-3
    adamw_learning_rate: PositiveFloat = Field(default_factory=lambda settings: settings["learning_rate"])
    momentum: float = Field(0.95, ge=0.0, lt=1.0)
    newton_schulz_steps: int = Field(5, ge=1, le=6)  # rounding errors grow twelvefold a round: more do harm, not good

    def build(self, named_parameters: Iterable[Named]) -> torch.optim.Optimizer:
        """Hidden matrices are the two-dimensional parameters under a module called `blocks`.

        The fused `qkv` counts as one. Cut into three it learned a little faster a step (2.00 -> 1.97 nats after 150 steps
        of 0.9 million weights and 768 tokens) and took 15 % longer for it on a CPU.
        """
        named = trainable(named_parameters)
        hidden = [
            (name, parameter) for name, parameter in named if "blocks" in name.split(".") and parameter.dim() == 2
        ]
        names = {name for name, _ in hidden}
        groups = decay_groups(
            (item for item in named if item[0] not in names), self.adamw_learning_rate, self.weight_decay
        )
        if hidden:
            muon = {"lr": self.learning_rate, "base_lr": self.learning_rate, "weight_decay": self.weight_decay}
            groups.insert(0, {"params": hidden, "orthogonal": True, **muon})
        return MuonWithAdamW(groups, self)


class MuonWithAdamW(torch.optim.Optimizer):
    """The optimizer itself: groups with `orthogonal` step by Muon, the others by AdamW."""

    def __init__(self, groups: list[dict[str, Any]], settings: Muon) -> None:
        chosen = settings.model_dump(include={"beta1", "beta2", "eps", "momentum", "newton_schulz_steps"})
        super().__init__(groups, {"orthogonal": False, **chosen})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["orthogonal"]:
                self._muon(parameters, group)
            else:
                for parameter in parameters:
                    self._adamw(parameter, group)
        return loss

    def _muon(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Momentum, then orthogonalise: matrices of one shape together, as a batch, lying or standing."""
        alike: defaultdict[tuple[int, ...], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            alike[tuple(sorted(parameter.shape))].append(parameter)
        for shape, matrices in alike.items():
            together = max(1, MOST_TOGETHER // math.prod(shape))
            for first in range(0, len(matrices), together):
                self._turn(matrices[first : first + together], group)

    def _turn(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        """Step some matrices of one shape in the orthogonal direction of their momentum."""
        # of a sharded matrix each process has some rows, but a direction is orthogonal only as a whole
        updates = torch.stack([lying(whole(self._momentum(matrix, group["momentum"]))) for matrix in matrices])
        directions = orthogonalise(updates, group["newton_schulz_steps"])
        # an orthogonal (R, C) matrix has root mean square 1 / sqrt(max(R, C))
        size = group["lr"] * ADAMW_RMS * math.sqrt(max(updates.shape[-2:]))
        for matrix, direction in zip(matrices, directions, strict=True):
            decayed = matrix.mul_(1 - group["lr"] * group["weight_decay"])
            turned = direction if matrix.shape == direction.shape else direction.mT
            decayed.sub_(matching_part(matrix, turned), alpha=size)

    def _momentum(self, matrix: Tensor, share: float) -> Tensor:
        """Take the gradient into the momentum; returns it as it will be one step on (Nesterov)."""
        gradient = cast(Tensor, matrix.grad)
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        return torch.lerp(gradient, state["momentum"].lerp_(gradient, 1 - share), share)

    def _adamw(self, parameter: Tensor, group: dict[str, Any]) -> None:
        """One AdamW step, as torch's: p -= lr * mean / (sqrt(square) + eps), both corrected for their start at 0."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        mean = state["mean"].lerp_(parameter.grad, 1 - group["beta1"])
        square = state["square"].mul_(group["beta2"]).addcmul_(parameter.grad, parameter.grad, value=1 - group["beta2"])
        step = state["step"].item()
        root = (square / (1 - group["beta2"] ** step)).sqrt_().add_(group["eps"])
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.addcdiv_(mean, root, value=-group["lr"] / (1 - group["beta1"] ** step))


def lying(matrix: Tensor) -> Tensor:
    """(R, C) -> the same where it is wider than high, else its transpose."""
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest orthogonal matrices, roughly: U S V^T -> about U V^T, for a batch (N, R, C). Zero stays zero.

    Each Newton-Schulz round is X <- P X with P = a I + b G + c G G and G = X X^T. All are polynomials of the first G
    and so commute: the rounds are done on the small square G, and X is multiplied once, by the product of all P. The
    numbers are the same to 1e-4, in about half the time for the three-to-one matrices of a feed-forward network.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).float()  # G then has the shorter side
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)  # no singular value above 1
    gram = x @ x.mT
    product = polynomial = _polynomial(gram)
    for _ in range(steps - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = _polynomial(gram)
        product = polynomial @ product
    directions = torch.bmm(product, x).to(matrices.dtype)
    return directions.mT if tall else directions


def _polynomial(gram: Tensor) -> Tensor:
    """P = a I + b G + c G G of one round, (N, R, R)."""
    a, b, c = NEWTON_SCHULZ
    polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    polynomial.diagonal(dim1=-2, dim2=-1).add_(a)
    return polynomial
