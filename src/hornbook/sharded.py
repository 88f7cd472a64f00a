"""Tensors of which this process keeps only some rows (torch's DTensor, as FSDP2 makes them), and ordinary ones alike.

A tensor of R rows on N processes: process r keeps rows r * ceil(R / N) up to the next one's. Every function below takes an
ordinary tensor as one that is kept whole. (torch's module for them takes half a second to import, so it is not, before one exists.)
"""

from typing import TYPE_CHECKING, TypeGuard

from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def is_parted(tensor: Tensor) -> "TypeGuard[DTensor]":
    """Whether this process keeps only some rows of a tensor."""
    if type(tensor) is Tensor or (type(tensor) is nn.Parameter and type(tensor.data) is Tensor):
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def is_sharded(model: nn.Module) -> bool:
    """Whether a model's tensors are parted among processes."""
    return is_parted(next(model.parameters()))


def whole(tensor: Tensor) -> Tensor:
    """All rows of a tensor, wherever they are kept; all processes must ask for them together."""
    return tensor.full_tensor() if is_parted(tensor) else tensor


def own_rows(tensor: Tensor) -> Tensor:
    """The rows that this process keeps."""
    return tensor.to_local() if is_parted(tensor) else tensor


def rows_of(tensor: Tensor) -> range | None:
    """Which rows this process keeps: of 5 rows on 2 processes 0, 1, 2 and 3, 4. None where it keeps all."""
    if not is_parted(tensor):
        return None
    mesh, count = tensor.device_mesh, tensor.shape[0]
    each = -(-count // mesh.size())
    first = min(mesh.get_local_rank() * each, count)
    return range(first, min(first + each, count))


def part_like(example: Tensor, part: Tensor) -> Tensor:
    """These rows of this process as a tensor that is parted as `example` is."""
    if not is_parted(example):
        return part
    from torch.distributed.tensor import DTensor

    mesh, places = example.device_mesh, example.placements
    local = part.to(example.device)
    return DTensor.from_local(local, mesh, places, run_check=False, shape=example.shape, stride=example.stride())


def matching_part(example: Tensor, tensor: Tensor) -> Tensor:
    """What all processes have whole, parted as `example` is: nothing has to travel."""
    if not is_parted(example):
        return tensor
    from torch.distributed.tensor import DTensor, Replicate

    same = DTensor.from_local(tensor, example.device_mesh, [Replicate()], run_check=False)
    return same.redistribute(placements=example.placements)
