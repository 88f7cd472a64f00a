"""Tensors on disk in one safetensors file, or in several that hold some rows of each, read by any number of processes."""

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor


class PartedTensors:
    """The tensors of FOLDER/KIND.safetensors, or of FOLDER/KIND-00000.safetensors and those that follow it."""

    def __init__(self, folder: Path, kind: str) -> None:
        whole = folder / f"{kind}.safetensors"
        paths = [whole] if whole.exists() else sorted(folder.glob(f"{kind}-*.safetensors"))
        self.files: list[Any] = [safe_open(path, framework="pt") for path in paths]
        self.holders: dict[str, list[int]] = {}  # name -> which files have rows of it, in order
        for number, file in enumerate(self.files):
            for name in file.keys():  # noqa: SIM118 (it is no dict)
                self.holders.setdefault(name, []).append(number)

    @property
    def names(self) -> list[str]:
        """What there is."""
        return list(self.holders)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of the whole tensor."""
        shapes = [self.files[number].get_slice(name).get_shape() for number in self.holders[name]]
        return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if shapes[0] else ()

    def read(self, name: str, rows: range | None = None) -> Tensor:
        """The tensor, or only these rows of it."""
        holders = self.holders[name]
        if rows is None and len(holders) == 1:
            tensor: Tensor = self.files[holders[0]].get_tensor(name)
            return tensor
        wanted = range(self.shape(name)[0]) if rows is None else rows
        first = 0
        pieces: list[Tensor] = []
        for number in holders:
            stored = self.files[number].get_slice(name)
            count = stored.get_shape()[0]
            start, stop = min(max(wanted.start - first, 0), count), min(wanted.stop - first, count)
            if start < stop or not pieces:
                pieces.append(stored[start : max(start, stop)])
            first += count
        return torch.cat(pieces)
