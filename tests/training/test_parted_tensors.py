"""Rows of tensors in one file or in several, read by any number of processes."""

import tempfile
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from hornbook.training.parted_tensors import PartedTensors


def write(folder: Path, tensors: dict[str, torch.Tensor], files: int) -> None:
    """As a sharded run of `files` processes writes them: ceil(R / N) rows each, as far as there are any."""
    for rank in range(files):
        parts = {}
        for name, tensor in tensors.items():
            each = -(-tensor.shape[0] // files)
            parts[name] = tensor[rank * each : (rank + 1) * each].clone()
        if rank == 0:
            parts["step"] = torch.tensor(7.0)
        save_file(parts, folder / f"optimizer-{rank:05d}.safetensors")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5))
def test_what_some_processes_wrote_any_number_reads(rows: int, files: int, readers: int) -> None:
    tensors = {"a": torch.randn(rows, 3), "b": torch.randn(rows)}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), tensors, files)
        parts = PartedTensors(Path(folder), "optimizer")
        assert set(parts.names) == {"a", "b", "step"}
        assert parts.read("step") == 7.0
        assert parts.shape("step") == ()
        for name, tensor in tensors.items():
            assert parts.shape(name) == tuple(tensor.shape)
            assert torch.equal(parts.read(name), tensor)
            each = -(-rows // readers)
            pieces = [
                parts.read(name, range(min(rank * each, rows), min((rank + 1) * each, rows))) for rank in range(readers)
            ]
            assert torch.equal(torch.cat(pieces), tensor)
