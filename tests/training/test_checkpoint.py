"""A checkpoint is complete or absent, and a damaged one is passed over, saying so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook.errors import UserError
from hornbook.optimizers.adamw import AdamW
from hornbook.training import checkpoint
from hornbook.training.loop import Loop

MakeLoop = Callable[..., Loop]


def test_what_is_loaded_is_what_was_saved(make_loop: MakeLoop) -> None:
    loop = make_loop("a", steps=3)
    loop.run(lambda record: None)
    other = make_loop("a", steps=3)
    done = checkpoint.load_checkpoint(
        checkpoint.folder_of(loop.folder.checkpoints, 3), other.parts.model, other.parts.optimizer
    )
    assert done == 3
    for name, tensor in loop.parts.model.state_dict().items():
        assert torch.equal(tensor, other.parts.model.state_dict()[name])
    saved, loaded = loop.parts.optimizer.state_dict(), other.parts.optimizer.state_dict()
    assert json.dumps(saved["param_groups"]) == json.dumps(loaded["param_groups"])
    for index, entries in saved["state"].items():
        for name, value in entries.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(loaded["state"][index][name]))


def test_a_changed_byte_is_seen_and_the_one_before_is_used(make_loop: MakeLoop) -> None:
    loop = make_loop("a", keep=3)
    loop.run(lambda record: None)
    weights = checkpoint.folder_of(loop.folder.checkpoints, 12) / "weights.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(UserError, match="step-00000012' is damaged: 'weights.safetensors'"):
        checkpoint.load_checkpoint(weights.parent, loop.parts.model, loop.parts.optimizer)
    folder, messages = checkpoint.newest_intact(loop.folder.checkpoints)
    assert folder == checkpoint.folder_of(loop.folder.checkpoints, 8)
    assert len(messages) == 1
    assert "damaged" in messages[0]


def test_a_full_disk_harms_no_older_checkpoint(make_loop: MakeLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = make_loop("a", steps=4)
    loop.run(lambda record: None)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("hornbook.files.shutil.disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="no space left on the disk"):
        checkpoint.save_checkpoint(loop.folder.checkpoints, 5, loop.parts.model, loop.parts.optimizer)
    assert checkpoint.steps_saved(loop.folder.checkpoints) == [4]
    checkpoint.verified_state(checkpoint.folder_of(loop.folder.checkpoints, 4))


def test_names_of_compiled_and_parallel_models_never_reach_the_disk(make_loop: MakeLoop) -> None:
    loop = make_loop("a")
    wrapped = torch.nn.ModuleDict({"module": torch.nn.ModuleDict({"_orig_mod": loop.parts.model})})
    folder = checkpoint.save_checkpoint(loop.folder.checkpoints, 1, wrapped, loop.parts.optimizer)
    checkpoint.load_weights(folder, loop.parts.model)


def rates(optimizer: torch.optim.Optimizer) -> set[tuple[float, float]]:
    return {(group["lr"], group["base_lr"]) for group in optimizer.param_groups}


def test_loading_brings_the_rates_of_the_run_that_was_saved(make_loop: MakeLoop, number: Callable[[str], Any]) -> None:
    """Also where the optimizer was built with others: a resumed run goes on at its own peak."""
    assert number("wt-08").endswith("(param_groups come from the checkpoint: 4e-4)")
    loop = make_loop("a", steps=3, optimizer=AdamW(learning_rate=4e-4, weight_decay=0.1))
    loop.run(lambda record: None)
    other = make_loop("a", optimizer=AdamW(learning_rate=5e-4, weight_decay=0.2))
    assert rates(other.parts.optimizer) == {(5e-4, 5e-4)}
    folder = checkpoint.folder_of(loop.folder.checkpoints, 3)
    checkpoint.load_checkpoint(folder, other.parts.model, other.parts.optimizer)
    assert {base for _, base in rates(other.parts.optimizer)} == {4e-4}
    assert rates(other.parts.optimizer) == rates(loop.parts.optimizer)
    assert {group["weight_decay"] for group in other.parts.optimizer.param_groups} == {0.1, 0.0}


def test_the_books_one_file_with_two_keys_fits_our_parts(
    make_loop: MakeLoop, tmp_path: Path, number: Callable[[str], Any]
) -> None:
    """We write no pickles, but model and optimizer are ordinary ones of torch, and so are their states."""
    assert "loaded optimizer state overrides the constructor lr" in number("wt-08")
    first = make_loop("a", steps=3, optimizer=AdamW(learning_rate=4e-4)).parts
    parts = {"model_state_dict": first.model.state_dict(), "optimizer_state_dict": first.optimizer.state_dict()}
    torch.save(parts, tmp_path / "model_and_optimizer.pth")
    second = make_loop("b", steps=3, optimizer=AdamW(learning_rate=5e-4)).parts
    with torch.no_grad():
        next(second.model.parameters()).add_(1)
    loaded = torch.load(tmp_path / "model_and_optimizer.pth", map_location="cpu", weights_only=True)
    assert loaded.keys() == parts.keys()
    second.model.load_state_dict(loaded["model_state_dict"])
    second.optimizer.load_state_dict(loaded["optimizer_state_dict"])
    assert rates(second.optimizer) == {(4e-4, 4e-4)}
    tokens = torch.arange(16)[None]
    assert torch.equal(second.model(tokens), first.model(tokens))
