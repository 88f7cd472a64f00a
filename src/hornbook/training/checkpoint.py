"""A checkpoint: the whole state of a run, in a folder that is complete or absent.

    checkpoints/step-00000500/  weights.safetensors  optimizer.safetensors  state.json (step, settings of the
                                parameter groups, sha256 of the two others)
    checkpoints/best.json       which step had the lowest validation loss

Randomness has no memory here, so weights, optimizer state and the step are all there is.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.files import new_folder, read_json, require_space, sha256_of, write_json

WEIGHTS, OPTIMIZER, STATE, BEST = "weights.safetensors", "optimizer.safetensors", "state.json", "best.json"


@dataclass(frozen=True)
class Best:
    """The evaluated checkpoint with the lowest validation loss so far."""

    step: int
    loss: float


def folder_of(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies: 500 -> checkpoints/step-00000500."""
    return checkpoints / f"step-{step:08d}"


def steps_saved(checkpoints: Path) -> list[int]:
    """The steps that have a checkpoint, in order."""
    return sorted(int(folder.name.removeprefix("step-")) for folder in checkpoints.glob("step-*"))


def save_checkpoint(checkpoints: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> Path:
    """Write the state after `step` updates; asks for the space first, so a full disk never harms an older one."""
    folder = folder_of(checkpoints, step)
    weights = _plain_names(model.state_dict())
    tensors, groups = _flatten(optimizer.state_dict())
    require_space(
        checkpoints, sum(tensor.nbytes for part in (weights, tensors) for tensor in part.values()) + 1_000_000
    )
    with new_folder(folder, replace=True) as beside:
        try:
            save_file(weights, beside / WEIGHTS)
            save_file(tensors, beside / OPTIMIZER)
        except SafetensorError as error:  # what the disk refused: it comes as text, without the number of an OSError
            raise UserError(f"can't write the checkpoint '{folder}': {error}", hint="free some space") from None
        hashes = {name: sha256_of(beside / name) for name in (WEIGHTS, OPTIMIZER)}
        write_json(beside / STATE, {"format": 1, "step": step, "param_groups": groups, "sha256": hashes})
    return folder


def load_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Put the state of `folder` into `model` and `optimizer`; returns the number of updates done.

    Errors: `UserError` where a file is missing or its sha256 is another one than `state.json` says.
    """
    state = verified_state(folder)
    model.load_state_dict(load_file(folder / WEIGHTS))
    optimizer.load_state_dict(_unflatten(load_file(folder / OPTIMIZER), state["param_groups"]))
    return int(state["step"])


def load_weights(folder: Path, model: nn.Module) -> None:
    """Put only the weights of a checkpoint into `model`. Errors: as `load_checkpoint`."""
    verified_state(folder)
    model.load_state_dict(load_file(folder / WEIGHTS))


def verified_state(folder: Path) -> dict[str, Any]:
    """`state.json` of a checkpoint whose files have the right sha256. Errors: `UserError` where they don't."""
    state: dict[str, Any] = read_json(folder / STATE)
    for name, expected in state["sha256"].items():
        if not (folder / name).exists() or sha256_of(folder / name) != expected:
            raise UserError(f"the checkpoint '{folder}' is damaged: '{name}' is not what was written")
    return state


def newest_intact(checkpoints: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint that passes its hashes, and a message for each damaged one that was passed over."""
    messages: list[str] = []
    for step in reversed(steps_saved(checkpoints)):
        try:
            verified_state(folder_of(checkpoints, step))
            return folder_of(checkpoints, step), messages
        except (UserError, KeyError) as error:
            messages.append(f"{error}; trying the one before")
    return None, messages


def prune(checkpoints: Path, keep: int) -> None:
    """Delete all but the last `keep` checkpoints and the best one."""
    best = read_best(checkpoints)
    for step in steps_saved(checkpoints)[:-keep]:
        if best is None or step != best.step:
            shutil.rmtree(folder_of(checkpoints, step))


def read_best(checkpoints: Path) -> Best | None:
    """The best checkpoint so far, or None before the first evaluation."""
    path = checkpoints / BEST
    return Best(**read_json(path)) if path.exists() else None


def write_best(checkpoints: Path, best: Best) -> None:
    """Remember the best checkpoint."""
    write_json(checkpoints / BEST, {"step": best.step, "loss": best.loss})


def _plain_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the model's own names (torch.compile and data parallelism put prefixes before them), once each.

    Tied weights share their memory, which safetensors refuses to write twice; loading ties them again.
    """
    plain = {name.replace("_orig_mod.", "").removeprefix("module."): tensor for name, tensor in state.items()}
    seen: dict[int, str] = {}
    return {
        name: tensor.contiguous() if seen.setdefault(tensor.data_ptr(), name) == name else tensor.clone()
        for name, tensor in plain.items()
    }


def _flatten(state: dict[str, Any]) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """An optimizer's state as named tensors ("3.exp_avg") and its parameter groups as plain JSON."""
    tensors = {
        f"{index}.{name}": value.contiguous() if isinstance(value, Tensor) else torch.tensor(value)
        for index, entries in state["state"].items()
        for name, value in entries.items()
    }
    return tensors, state["param_groups"]


def _unflatten(tensors: dict[str, Tensor], groups: list[dict[str, Any]]) -> dict[str, Any]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, entry = name.partition(".")
        state.setdefault(int(index), {})[entry] = tensor
    return {"state": state, "param_groups": groups}
