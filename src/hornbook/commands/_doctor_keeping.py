"""Checks of what is kept on disk: a model folder and a checkpoint give back what was put in, to the last bit."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hornbook.commands._doctor_check import Finding, apart, left_out, no_faults
from hornbook.commands._doctor_subject import Subject
from hornbook.layers.loss import next_token_loss
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer, tokenizer_hash
from hornbook.tokenizers.character import Character
from hornbook.training.checkpoint import load_checkpoint, save_checkpoint
from hornbook.weights.model_folder import load_model_folder, save_model_folder

BYTES_BESIDE = 20_000_000  # of a model folder, beside the weights
ROW = 8
SAME_LOGITS = 1e-5  # the same weights elsewhere in memory may be multiplied in another order


def model_folder(subject: Subject) -> Finding:
    """Save the model in a folder of its own, open it, and compare everything that was saved."""
    tokenizer = subject.tokenizer or Character.train(["a"], special_tokens=())
    with tempfile.TemporaryDirectory() as place:
        if reason := _no_space(subject, Path(place), copies=1):
            return left_out(reason)
        folder = save_model_folder(Path(place) / "model", subject.model, tokenizer)
        found, read, _ = load_model_folder(folder, subject.device)
        return no_faults(_differing(subject, found) + _other_tokenizer(tokenizer, read))


def _differing(subject: Subject, found: Model) -> list[str]:
    """What is not the same in both: names of weights, settings of the config, the logits of a row."""
    before, after = subject.model.state_dict(), found.state_dict()
    names = [name for name in before.keys() | after.keys() if not _same(before.get(name), after.get(name))]
    wanted, config = subject.model.config.model_dump(), found.config.model_dump()
    names += [f"config.{key}" for key in wanted.keys() | config.keys() if wanted.get(key) != config.get(key)]
    with torch.no_grad():
        logits = apart(found(subject.tokens()), subject.model(subject.tokens()))
    return sorted(names) + (["the logits"] if logits > SAME_LOGITS else [])


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    return first is not None and second is not None and first.dtype == second.dtype and torch.equal(first, second)


def _other_tokenizer(tokenizer: Tokenizer, read: Tokenizer) -> list[str]:
    return [] if tokenizer_hash(tokenizer) == tokenizer_hash(read) else ["the tokenizer"]


def checkpoint(subject: Subject) -> Finding:
    """Train a fresh model a little, save it, and let another one go on from there: what it holds and where it goes.

    On the CPU, where the same computation always gives the same bits.
    """
    with tempfile.TemporaryDirectory() as place:
        if reason := _no_space(subject, Path(place), copies=4):
            return left_out(reason)
        folder, saved, later = _train_and_save(subject, Path(place))
        model = subject.fresh(seed=subject.seed + 1, device="cpu")
        optimizer = subject.optimizer.build(model.named_parameters())
        load_checkpoint(folder, model, optimizer)
        found = _state(model, optimizer)
        _steps(subject, model, optimizer, 1)
        again = _state(model, optimizer)
    gone = [name for name in saved if found.get(name) != saved[name]]
    return no_faults(gone or [f"{name} one step later" for name in later if again.get(name) != later[name]])


def _train_and_save(subject: Subject, place: Path) -> tuple[Path, dict[str, str], dict[str, str]]:
    """Two steps, a checkpoint, and a third step: the checkpoint, and the fingerprints of the state before and after."""
    model = subject.fresh(device="cpu")
    optimizer = subject.optimizer.build(model.named_parameters())
    _steps(subject, model, optimizer, 2)
    folder, saved = save_checkpoint(place, 2, model, optimizer), _state(model, optimizer)
    _steps(subject, model, optimizer, 1)
    return folder, saved, _state(model, optimizer)


def _steps(subject: Subject, model: Model, optimizer: torch.optim.Optimizer, count: int) -> None:
    tokens = subject.tokens(1, min(ROW, subject.row_length)).cpu()
    for _ in range(count):
        loss, number = next_token_loss(model, tokens, tokens.flip(1))
        (loss / number).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _state(model: Model, optimizer: torch.optim.Optimizer) -> dict[str, str]:
    """Name -> fingerprint of every weight and of everything that the optimizer remembers."""
    kept = optimizer.state_dict()["state"]
    return fingerprints(model.state_dict()) | {
        f"optimizer state {number}.{name}": mark
        for number, entries in kept.items()
        for name, mark in fingerprints(entries).items()
    }


def fingerprints(tensors: Mapping[str, Any]) -> dict[str, str]:
    """Name -> sha256 of a tensor's bytes, so that two states are compared without holding both."""
    return {name: hashlib.sha256(_bytes(torch.as_tensor(tensor))).hexdigest() for name, tensor in tensors.items()}


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data


def _no_space(subject: Subject, place: Path, copies: int) -> str:
    """Why `copies` times the weights don't fit on the disk of `place`, or ""."""
    needed = copies * sum(parameter.nbytes for parameter in subject.model.parameters()) + BYTES_BESIDE
    free = shutil.disk_usage(place).free
    return (
        "" if needed < free else f"it needs {needed / 1e9:,.1f} GB in {place.parent}, and {free / 1e9:,.1f} GB are free"
    )
