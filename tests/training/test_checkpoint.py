"""A checkpoint is complete or absent, and a damaged one is passed over, saying so."""

import json
from collections.abc import Callable

import pytest
import torch

from hornbook.errors import UserError
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
    weights = checkpoint.folder_of(loop.folder.checkpoints, 12) / checkpoint.WEIGHTS
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
