"""A checkpoint: the whole state of a run, in a folder that is complete or absent.

    checkpoints/step-00000500/  weights.safetensors  optimizer.safetensors  state.json (step, settings of the
                                parameter groups, sha256 of the others)
    checkpoints/best.json       which step had the lowest validation loss

Randomness has no memory here, so weights, optimizer state and the step are all there is. A sharded run of N processes
writes N files of each, weights-00000.safetensors and so on, which together hold each row of each tensor once: any number of
processes can read them. (torch.distributed.checkpoint could do that too, but describes its files in a pickle.)
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.files import new_folder, read_json, remove_folder, require_space, sha256_of, write_json
from hornbook.sharded import is_sharded, own_rows, part_like, rows_of
from hornbook.training.distributed import ALONE, World
from hornbook.training.parted_tensors import PartedTensors

WEIGHTS, OPTIMIZER, STATE, BEST = "weights", "optimizer", "state.json", "best.json"


@dataclass(frozen=True)
class Best:
    """The evaluated checkpoint with the lowest validation loss so far."""

    step: int
    loss: float


def folder_of(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies: 500 -> checkpoints/step-00000500."""
    return checkpoints / f"step-{step:08d}"


def step_of(folder: Path | None) -> int:
    """The step of a checkpoint: checkpoints/step-00000500 -> 500; 0 for none."""
    return int(folder.name.removeprefix("step-")) if folder else 0


def steps_saved(checkpoints: Path) -> list[int]:
    """The steps that have a checkpoint, in order."""
    return sorted(map(step_of, checkpoints.glob("step-*")))


def save_checkpoint(
    checkpoints: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, world: World = ALONE
) -> Path:
    """Write the state after `step` updates; asks for the space first, so a full disk never harms an older one.

    Of several processes with the same weights the first writes; of a sharded model each writes what it keeps.
    """
    folder, sharded = folder_of(checkpoints, step), is_sharded(model)
    if sharded or world.is_first:
        writers = world if sharded else ALONE
        tensors, groups = _own_tensors(model, optimizer, writers)
        size = sum(tensor.nbytes for part in tensors.values() for tensor in part.values())
        require_space(checkpoints, int(writers.sum_of([size])[0]) + 1_000_000)
        with _new_folder(folder, writers) as beside:
            hashes = _written(beside, folder, tensors, writers)
            if world.is_first:
                write_json(beside / STATE, {"format": 1, "step": step, "param_groups": groups, "sha256": hashes})
    world.exchange()
    return folder


def load_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Put the state of `folder` into `model` and `optimizer`; returns the number of updates done.

    Errors: `UserError` where a file is missing or its sha256 is another one than `state.json` says.
    """
    state = verified_state(folder)
    _put_weights(folder, model)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.load_state_dict({"state": _optimizer_state(folder, parameters), "param_groups": state["param_groups"]})
    return int(state["step"])


def load_weights(folder: Path, model: nn.Module) -> None:
    """Put only the weights of a checkpoint into `model`. Errors: as `load_checkpoint`."""
    verified_state(folder)
    _put_weights(folder, model)


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


def prune(checkpoints: Path, keep: int, keep_every: int | None = None) -> None:
    """Delete all but the last `keep` checkpoints, the best one, and those whose step `keep_every` divides."""
    best = read_best(checkpoints)
    for step in steps_saved(checkpoints)[:-keep]:
        if (best is None or step != best.step) and (keep_every is None or step % keep_every):
            remove_folder(folder_of(checkpoints, step))


def read_best(checkpoints: Path) -> Best | None:
    """The best checkpoint so far, or None before the first evaluation."""
    path = checkpoints / BEST
    return Best(**read_json(path)) if path.exists() else None


def write_best(checkpoints: Path, best: Best) -> None:
    """Remember the best checkpoint."""
    write_json(checkpoints / BEST, {"step": best.step, "loss": best.loss})


Tensors = dict[str, Tensor]


@contextmanager
def _new_folder(folder: Path, writers: World) -> Iterator[Path]:
    """The one folder that all writers fill: the first makes it, tells the others where it lies, and puts it in place."""
    if not writers.is_first:
        yield Path(writers.exchange()[0])
        return
    with new_folder(folder, replace=True) as beside:
        writers.exchange(str(beside))
        yield beside


def _written(beside: Path, folder: Path, tensors: dict[str, Tensors], writers: World) -> dict[str, str]:
    """Write this process's files. Out: the sha256 of everybody's. Errors: `UserError` in all where one couldn't write."""
    hashes, error = {}, ""
    for kind, part in tensors.items():
        path = beside / (f"{kind}-{writers.rank:05d}.safetensors" if writers.size > 1 else f"{kind}.safetensors")
        try:
            save_file(part, path)
            hashes[path.name] = sha256_of(path)
        except (SafetensorError, OSError, UserError) as refused:
            error = f"can't write the checkpoint '{folder}': {refused}"
    said = [json.loads(text) for text in writers.exchange(json.dumps({"hashes": hashes, "error": error}))]
    for one in said:
        if one["error"]:
            raise UserError(one["error"], hint="free some space")
    return {name: digest for one in said for name, digest in one["hashes"].items()}


def _own_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, writers: World
) -> tuple[dict[str, Tensors], list[dict[str, Any]]]:
    """What this process writes, as named tensors ("3.exp_avg"), and the parameter groups as plain JSON."""
    state = optimizer.state_dict()
    named = {
        f"{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, entries in state["state"].items()
        for name, value in entries.items()
    }
    parts = {WEIGHTS: plain_names(model.state_dict()), OPTIMIZER: named}
    for kind, tensors in parts.items():
        mine = {name: tensor for name, tensor in tensors.items() if writers.is_first or rows_of(tensor) is not None}
        parts[kind] = _once_each({name: own_rows(tensor) for name, tensor in mine.items()})
    return parts, state["param_groups"]


def plain_names(state: Tensors) -> Tensors:
    """The weights under the model's own names: torch.compile and data parallelism put prefixes before them."""
    return {name.replace("_orig_mod.", "").removeprefix("module."): tensor for name, tensor in state.items()}


def _once_each(tensors: Tensors) -> Tensors:
    """Tied weights share their memory, which safetensors refuses to write twice; loading ties them again."""
    seen: dict[int, str] = {}
    return {
        name: tensor.contiguous() if seen.setdefault(tensor.data_ptr(), name) == name else tensor.clone()
        for name, tensor in tensors.items()
    }


def _put_weights(folder: Path, model: nn.Module) -> None:
    parts = PartedTensors(folder, WEIGHTS)
    state = model.state_dict()
    if set(parts.names) != set(state):
        raise UserError(f"the checkpoint '{folder}' is another model's: '{min(set(parts.names) ^ set(state))}'")
    model.load_state_dict({name: part_like(value, parts.read(name, rows_of(value))) for name, value in state.items()})


def _optimizer_state(folder: Path, parameters: list[Tensor]) -> dict[int, Tensors]:
    """Index of the parameter -> its entries; one that has the parameter's shape is kept in the same parts."""
    parts = PartedTensors(folder, OPTIMIZER)
    state: dict[int, Tensors] = {}
    for name in parts.names:
        number, _, entry = name.partition(".")
        parameter = parameters[int(number)]
        alike = parts.shape(name) == tuple(parameter.shape)
        value = parts.read(name, rows_of(parameter) if alike else None)
        state.setdefault(int(number), {})[entry] = part_like(parameter, value) if alike else value
    return state


def weights_are_finite(folder: Path) -> bool:
    """Whether all weights of a checkpoint are numbers: an update may have spoiled them before anyone saw it."""
    parts = PartedTensors(folder, WEIGHTS)
    return all(bool(parts.read(name).isfinite().all()) for name in parts.names)
