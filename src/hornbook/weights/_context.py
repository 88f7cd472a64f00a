"""What becomes of a model's positions when its context becomes longer or shorter. T old length, T' new, C embed_dim."""

from typing import Any

import torch
from torch import Tensor

from hornbook.errors import UserError, unknown
from hornbook.models.base import Model, ModelConfig
from hornbook.models.gpt import GPTConfig
from hornbook.models.llama import LlamaConfig
from hornbook.weights.disk_format import Tensors

POSITIONS = "position_embedding.weight"
SCALINGS = ("theta", "linear", "llama3", "none")
DEFAULT_SCALING = "theta"
LOW, HIGH = 1.0, 4.0  # of Llama 3.1: turns in the old context below which a pair is slowed, and above which it isn't


def context_changes(model: Model, length: int, scaling: str | None) -> tuple[dict[str, Any], Tensors, str]:
    """What a context of `length` changes: settings, weights, and what happens to positions in words.

    Errors: `UserError` for a scaling that is none, or that this model has no use for.
    """
    config, changes = model.config, {"context_length": length}
    old = config.context_length
    if scaling is not None and scaling not in SCALINGS:
        raise unknown("rope scaling", scaling, SCALINGS)
    if scaling is not None and (not isinstance(config, LlamaConfig) or length <= old):
        why = "has no scaled rotation" if length > old else f"reads {old} tokens already"
        raise UserError(f"--rope-scaling {scaling} does nothing here: the model {why}", hint="leave it out")
    if isinstance(config, GPTConfig) and config.positions == "learned":
        rows = model.state_dict()[POSITIONS]
        how = "interpolated" if length > old else "cut off"
        return changes, {POSITIONS: stretched(rows, length) if length > old else rows[:length].clone()}, how
    if not isinstance(config, LlamaConfig) or length <= old:
        return changes, {}, "as they were"
    if scaling is None and _sees_no_further(config):
        return changes, {}, f"as they were: no token looks further back than {config.sliding_window}"
    return (
        changes | _slowed(config, length / old, scaling or DEFAULT_SCALING),
        {},
        f"rotation: {scaling or DEFAULT_SCALING}",
    )


def stretched(rows: Tensor, length: int) -> Tensor:
    """A table of positions drawn out to more of them, ends on ends, straight lines between: (T, C) -> (T', C).

    Row p of the new is what the old has at p (T - 1) / (T' - 1). [0, 1, 2] -> [0, 0.5, 1, 1.5, 2] for five.
    """
    if len(rows) == 1:
        return rows.expand(length, -1).clone()
    places = torch.arange(length, dtype=torch.float64, device=rows.device) * (len(rows) - 1) / (length - 1)
    below = places.long().clamp(max=len(rows) - 2)
    share = (places - below)[:, None]
    mixed = torch.lerp(rows[below].double(), rows[below + 1].double(), share)
    return mixed.to(rows.dtype)


def _sees_no_further(config: LlamaConfig) -> bool:
    return config.sliding_window is not None and config.sliding_window <= config.context_length


def _slowed(config: LlamaConfig, ratio: float, scaling: str) -> dict[str, Any]:
    """The settings of a rotation that brings `ratio` times as long a text into the angles that were trained.

    theta: a larger base, which slows the slowest pair by the ratio and the fastest not at all, theta x ratio^(D/(D-2)).
    linear: every pair by the ratio (Chen et al. 2023). llama3: pairs by how often they turned (`slower_where_slow`).
    A scaling of the same kind that is there already is multiplied.
    """
    before = config.rope_scaling
    if scaling == "none":
        return {}
    if scaling == "theta":
        if config.head_dim == 2:
            raise UserError(
                "head_dim is 2: its one pair has the same speed for any theta", hint="--rope-scaling linear"
            )
        return {"rope_theta": config.rope_theta * ratio ** (config.head_dim / (config.head_dim - 2))}
    if before is not None and before.kind != scaling:
        hint = f"--rope-scaling {before.kind} multiplies it, --rope-scaling theta goes with both"
        raise UserError(f"the model has the rope scaling {before.kind} already", hint=hint)
    if before is not None:
        return {"rope_scaling": before.model_dump() | {"factor": before.factor * ratio}}
    form = {"kind": scaling, "factor": ratio, "low_freq_factor": LOW, "high_freq_factor": HIGH}
    return {"rope_scaling": form | {"original_context_length": config.context_length}}


def require_length(config: ModelConfig, length: int) -> None:
    """Raise `UserError` for a context that can't be, or is the model's own."""
    if length < 1:
        raise UserError(f"--context-length must be at least 1, not '{length}'")
    if length == config.context_length:
        raise UserError(f"the model's context is {length} tokens already", hint="leave --context-length out")
