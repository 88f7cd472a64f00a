"""Where a token stands: a table of sines added to embeddings, a rotation of queries and keys, a bias of the scores.

H heads, T new tokens, S all tokens (past and new), D head_dim.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Tables = tuple[Tensor, Tensor]  # cosines and signed sines, one row a position
Rescale = Callable[[Tensor], Tensor]  # how fast each pair turns -> how fast it shall, so that a longer text fits


def sinusoidal_table(length: int, dim: int) -> Tensor:
    """One row per position, (length, dim): row p holds sin(p / 10000^(2i/dim)) at 2i, the cosine of the same at 2i + 1.

    Fixed, not learned (Vaswani et al. 2017, section 3.5). Position 0 -> [0, 1, 0, 1, ...].
    """
    angles = _angles(length, dim, 10000.0)  # (length, dim / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def rotary_tables(head_dim: int, length: int, theta: float, rescale: Rescale | None = None) -> Tables:
    """Cosines and signed sines for `rotate`, each (length, head_dim), float32.

    Dimension i is paired with dimension i + head_dim / 2 (the half-split form of Llama and Qwen3 on disk, not the
    interleaved form of the paper): the pair turns by p / theta^(2i/head_dim) at position p, or as `rescale` makes it.
    """
    angles = _angles(length, head_dim, theta, rescale)  # (length, head_dim / 2)
    cosines = torch.cat([angles.cos(), angles.cos()], dim=-1)
    signed_sines = torch.cat([-angles.sin(), angles.sin()], dim=-1)
    return cosines, signed_sines


def slower(frequencies: Tensor, factor: float) -> Tensor:
    """Every pair turns `factor` times more slowly: positions lie closer together (Chen et al. 2023)."""
    return frequencies / factor


def slower_where_slow(frequencies: Tensor, factor: float, low: float, high: float, original_length: int) -> Tensor:
    """Llama 3.1's rescaling of how fast pairs turn, (D/2,) radians a token -> (D/2,).

    A pair that turned fewer than `low` times in the context it was trained on turns `factor` times more slowly, one
    that turned more than `high` times is left alone: it tells neighbours apart. Between them the two are mixed.
    Source: Grattafiori et al. 2024, "The Llama 3 herd of models", and the code that was published with it.
    """
    turns = original_length * frequencies / (2 * math.pi)
    share_kept = ((turns - low) / (high - low)).clamp(0.0, 1.0)
    return (1 - share_kept) * frequencies / factor + share_kept * frequencies


def rotate(heads: Tensor, cosines: Tensor, signed_sines: Tensor) -> Tensor:
    """Turn each pair of dimensions by its position's angle: heads (B, H, T, D), tables (T, D) -> (B, H, T, D).

    A rotation keeps lengths, and the product of a turned query and a turned key depends on their distance alone
    (Su et al. 2021, "RoFormer"). Rolling by half brings each dimension's partner to it, so the sign lives in the table;
    on a CPU this is a quarter faster than cutting the halves apart and joining them.
    """
    if heads.device.type == "cpu" and heads.dtype == cosines.dtype and torch.is_grad_enabled():
        return _Rotation.apply(heads, cosines, signed_sines)  # type: ignore[no-any-return,no-untyped-call]
    partners = heads.roll(heads.shape[-1] // 2, dims=-1)
    return heads * cosines + partners * signed_sines


class _Rotation(torch.autograd.Function):
    """`rotate` with its gradient written out: a gradient is turned back, which is the same turn with the other sign.

    That is what torch finds too, step by step and with more memory: half as long again on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, heads: Tensor, cosines: Tensor, signed_sines: Tensor) -> Tensor:
        """As `rotate`."""
        ctx.save_for_backward(cosines, signed_sines)
        return _turned(heads, cosines, signed_sines)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """dL/d(turned) -> dL/d(heads)."""
        cosines, signed_sines = ctx.saved_tensors
        return _turned(gradient, cosines, -signed_sines), None, None


def _turned(heads: Tensor, cosines: Tensor, signed_sines: Tensor) -> Tensor:
    """The sum in one pass over memory; its last bit is another one, as the product is not rounded before it is added."""
    partners = heads.roll(heads.shape[-1] // 2, dims=-1)
    return (heads * cosines).addcmul_(partners, signed_sines)


def rows_of_tables(tables: Tables, rows: slice | Tensor) -> Tables:
    """The rows for some positions: a slice -> (T, D) each; (B, T), where each text has its own -> (B, 1, T, D)."""
    cosines, signed_sines = tables
    if isinstance(rows, slice):
        return cosines[rows], signed_sines[rows]
    return cosines[rows].unsqueeze(1), signed_sines[rows].unsqueeze(1)


class ALiBi(nn.Module):
    """A straight line in each head: a key loses slope x distance from its score. Nothing is learned.

    Each head looks a different way back, and a distance never seen in training is merely farther away
    (Press, Smith and Lewis 2021, "Train short, test long").
    """

    slopes: Tensor

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.register_buffer("slopes", alibi_slopes(num_heads), persistent=False)

    def forward(self, num_new: int, num_all: int) -> Tensor:
        """What to add to the scores of the last `num_new` of `num_all` tokens: (H, T, S)."""
        distances = torch.arange(num_all, dtype=torch.float32, device=self.slopes.device)
        return at_distances(-self.slopes[:, None] * distances, num_new)


class RelativeBias(nn.Module):
    """A learned number for each head and bucket of distances, shared by all layers (Raffel et al. 2019, "T5")."""

    NUM_BUCKETS, MAX_DISTANCE = 32, 128  # T5's

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.table = nn.Embedding(self.NUM_BUCKETS, num_heads)

    def forward(self, num_new: int, num_all: int) -> Tensor:
        """What to add to the scores of the last `num_new` of `num_all` tokens: (H, T, S)."""
        distances = torch.arange(num_all, device=self.table.weight.device)
        buckets = distance_buckets(distances, self.NUM_BUCKETS, self.MAX_DISTANCE)
        return at_distances(self.table(buckets).T, num_new)


def alibi_slopes(num_heads: int) -> Tensor:
    """How fast each head forgets, (H,): 4 heads -> [1/4, 1/16, 1/64, 1/256].

    The powers 1 .. H of 2^(-8/H) where H is a power of two. Else those of the power of two below, and then every
    second one of the power of two above, as many as are missing.
    """
    below = 1 << (num_heads.bit_length() - 1)
    between = _geometric(2 * below)[::2][: num_heads - below]
    return torch.cat([_geometric(below), between])


def distance_buckets(distances: Tensor, num_buckets: int, max_distance: int) -> Tensor:
    """The bucket of each distance back, int64 of any shape -> the same shape.

    Half the buckets hold one distance each, the others wider and wider ranges (equal steps of the logarithm) up to
    `max_distance`, and the last all beyond. 8 buckets up to 16: [0, 1, 3, 4, 6, 11, 40] -> [0, 1, 3, 4, 5, 6, 7].
    """
    exact = num_buckets // 2
    steps = (distances.clamp(min=1) / exact).log() / math.log(max_distance / exact) * (num_buckets - exact)
    far = (exact + steps.long()).clamp(max=num_buckets - 1)
    return torch.where(distances < exact, distances, far)


def at_distances(values: Tensor, num_new: int) -> Tensor:
    """What each distance is worth -> what each pair of query and key is: (H, S) -> (H, T, S), for the last T queries.

    Keys after their query get the value of distance 0: they are hidden anyway.
    """
    places = torch.arange(values.shape[-1], device=values.device)
    distances = (places[-num_new:, None] - places).clamp(min=0)  # (T, S)
    return values[:, distances]


def places_in_segments(segments: Tensor) -> Tensor:
    """Where each token stands in its own text, when several stand in a row: [[1, 1, 1, 2, 2, 0]] -> [[0, 1, 2, 0, 1, 0]]."""
    places = torch.arange(segments.shape[1], device=segments.device)
    begins = torch.ones_like(segments, dtype=torch.bool)
    begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return places - (places * begins).cummax(dim=1).values


def _geometric(count: int) -> Tensor:
    """2^(-8/count) to the powers 1 .. count. On the CPU always, as `_angles`."""
    return 2.0 ** (-8.0 / count * torch.arange(1, count + 1, dtype=torch.float32, device="cpu"))


def _angles(length: int, dim: int, theta: float, rescale: Rescale | None = None) -> Tensor:
    """The angle of each position and pair, (length, dim / 2), in float32: halves lose whole positions beyond 2048.

    Always on the CPU, so that a model whose weights are built on the meta device still has its tables.
    """
    pairs = torch.arange(0, dim, 2, dtype=torch.float32, device="cpu")
    positions = torch.arange(length, dtype=torch.float32, device="cpu")
    frequencies = 1.0 / theta ** (pairs / dim)
    return torch.outer(positions, frequencies if rescale is None else rescale(frequencies))
