"""Where a token stands: a fixed table of sines that is added to embeddings, and the rotation of queries and keys."""

import torch
from torch import Tensor


def sinusoidal_table(length: int, dim: int) -> Tensor:
    """One row per position, (length, dim): row p holds sin(p / 10000^(2i/dim)) at 2i, the cosine of the same at 2i + 1.

    Fixed, not learned (Vaswani et al. 2017, section 3.5). Position 0 -> [0, 1, 0, 1, ...].
    """
    angles = _angles(length, dim, 10000.0)  # (length, dim / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def rotary_tables(head_dim: int, length: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines for `rotate`, each (length, head_dim), float32.

    Dimension i is paired with dimension i + head_dim / 2 (the half-split form of Llama and Qwen3 on disk, not the
    interleaved form of the paper): the pair turns by p / theta^(2i/head_dim) at position p.
    """
    angles = _angles(length, head_dim, theta)  # (length, head_dim / 2)
    cosines = torch.cat([angles.cos(), angles.cos()], dim=-1)
    signed_sines = torch.cat([-angles.sin(), angles.sin()], dim=-1)
    return cosines, signed_sines


def rotate(heads: Tensor, cosines: Tensor, signed_sines: Tensor) -> Tensor:
    """Turn each pair of dimensions by its position's angle: heads (B, H, T, D), tables (T, D) -> (B, H, T, D).

    A rotation keeps lengths, and the product of a turned query and a turned key depends on their distance alone
    (Su et al. 2021, "RoFormer"). Rolling by half brings each dimension's partner to it, so the sign lives in the table;
    on a CPU this is a quarter faster than cutting the halves apart and joining them.
    """
    partners = heads.roll(heads.shape[-1] // 2, dims=-1)
    return heads * cosines + partners * signed_sines


def _angles(length: int, dim: int, theta: float) -> Tensor:
    """The angle of each position and pair, (length, dim / 2), in float32: halves lose whole positions beyond 2048.

    Always on the CPU, so that a model whose weights are built on the meta device still has its tables.
    """
    pairs = torch.arange(0, dim, 2, dtype=torch.float32, device="cpu")
    positions = torch.arange(length, dtype=torch.float32, device="cpu")
    return torch.outer(positions, 1.0 / theta ** (pairs / dim))
