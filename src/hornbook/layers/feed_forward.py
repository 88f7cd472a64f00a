"""The feed-forward network: what a token does with what it gathered, at each position alone: (..., C) -> (..., C)."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

# The tanh form is GPT-2's own approximation of x * Phi(x), kept because its weights were trained with it
# (Hendrycks and Gimpel 2016). On a CPU the exact form and ReLU are a quarter faster.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
}


class FeedForward(nn.Module):
    """down(activation(up(x))): GPT-2's, with `hidden_dim` usually 4 x `embed_dim`."""

    def __init__(self, embed_dim: int, hidden_dim: int, activation: str = "gelu_tanh", bias: bool = True) -> None:
        super().__init__()
        self.up = nn.Linear(embed_dim, hidden_dim, bias=bias)
        self.down = nn.Linear(hidden_dim, embed_dim, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return self.down(self.activation(self.up(x)))  # type: ignore[no-any-return]


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)): Llama's, where one projection decides how much of the other passes (Shazeer 2020).

    Gate and up stay two matrices: joined into one, the halves of its output are strided and a CPU is slower on them.
    """

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(embed_dim, hidden_dim, bias=False)
        self.up = nn.Linear(embed_dim, hidden_dim, bias=False)
        self.down = nn.Linear(hidden_dim, embed_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return self.down(F.silu(self.gate(x)) * self.up(x))  # type: ignore[no-any-return]
