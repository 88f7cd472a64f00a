"""Checks of how a model reads: the same logits by every way that promises them, and nothing seen of the future.

T tokens of a row, V vocabulary.
"""

import os
import shutil
import warnings

import torch
from torch import Tensor

from hornbook.commands._doctor_check import Finding, apart, left_out, no_faults, within
from hornbook.commands._doctor_subject import Subject
from hornbook.device import autocast
from hornbook.finetuning.rows import Row, pad_rows
from hornbook.layers.evaluating import evaluating
from hornbook.models.base import Model

SAME = 1e-4  # of fp32 sums in another order, in a large trained model; what is wrong is wrong by far more
UNSEEN = 1e-6  # what is hidden has a weight of exactly 0; nothing but rounding may be left
SAME_COMPILED = 1e-4  # a compiler fuses operations, which rounds elsewhere
SAME_BF16 = 0.05  # bfloat16 keeps 8 bits, so each operation rounds by up to 0.4 %
PIECES = (5, 1, 3, 1, 7)  # lengths that are neither all one nor all alike
COMPILED_ROW, COMPILED_LAYERS = 16, 2
SEEN_FROM = 8  # tokens whose futures are looked at


def kv_cache(subject: Subject) -> Finding:
    """One pass over two rows, against the same rows token by token and in pieces."""
    model, tokens = subject.model, subject.tokens(2)
    with evaluating(model):
        expected = model(tokens)
        by_token = _read(model, tokens, [1] * tokens.shape[1])
        in_pieces = _read(model, tokens, list(PIECES))
    found = {"token by token": apart(by_token, expected), "in pieces": apart(in_pieces, expected)}
    worst = max(found, key=lambda way: found[way])
    return within(found[worst], SAME, detail=f"the largest difference came {worst}")


def _read(model: Model, tokens: Tensor, lengths: list[int]) -> Tensor:
    """The logits of rows that are read piece by piece with a cache; what the lengths leave over is the last piece."""
    cache, logits, start = model.new_cache(len(tokens)), [], 0
    for length in [*lengths, tokens.shape[1]]:
        piece = tokens[:, start : start + length]
        if piece.shape[1]:
            logits.append(model(piece, cache))
        start += length
    return torch.cat(logits, dim=1)


def no_future(subject: Subject) -> Finding:
    """Row t of a batch has another token at t, and asks at t for a gradient: nothing may change before, or reach back."""
    length = min(SEEN_FROM, subject.row_length)
    if length < 2 or subject.vocab_size < 2:
        return left_out("a context or a vocabulary of 1 has no future to see")
    tokens = subject.tokens(1, length).repeat(length, 1)
    by_value, by_gradient = _seen_by_value(subject.model, tokens), _seen_by_gradient(subject.model, tokens)
    way = "by value: a later token changes the logits" if by_value >= by_gradient else "by gradient"
    return within(max(by_value, by_gradient), UNSEEN, detail=f"the most was seen {way}")


def _seen_by_value(model: Model, tokens: Tensor) -> float:
    """How far the logits before t move when token t is another, as a share of how far those at t move."""
    places = torch.arange(len(tokens), device=tokens.device)
    changed = tokens.clone()
    changed[places, places] = (changed[places, places] + 1) % model.config.vocab_size
    with evaluating(model):
        moved = (model(changed) - model(tokens)).abs().amax(dim=-1)  # (T, T): row t, place
    return _share_before(moved.T)


def _seen_by_gradient(model: Model, tokens: Tensor) -> float:
    """How much of the gradient of the logits at t falls on what comes after t, as a share of what falls on the rest."""
    seen: list[Tensor] = []
    hook = model.get_submodule("token_embedding").register_forward_hook(lambda *call: seen.append(call[-1]))
    try:
        logits = model(tokens)  # (T, T, V)
    finally:
        hook.remove()
    places = torch.arange(len(tokens), device=tokens.device)
    direction = torch.linspace(-1, 1, logits.shape[-1], device=logits.device)
    (gradient,) = torch.autograd.grad((logits[places, places] * direction).sum(), seen[0])
    return _share_before(gradient.abs().amax(dim=-1))


def _share_before(effects: Tensor) -> float:
    """The largest effect of a later place on an earlier one, over the largest of all: (reader, read), later is right."""
    return float(effects.triu(1).max() / effects.max().clamp(min=1e-30))


def padding(subject: Subject) -> Finding:
    """Rows of unequal lengths as one padded batch, against each of them alone."""
    length = subject.row_length
    if length < 2 or subject.vocab_size < 2:
        return left_out("a context or a vocabulary of 1 leaves no room for padding")
    pad = 0
    tokens = 1 + subject.tokens(3, length) % (subject.vocab_size - 1)  # anything but the padding
    rows = [row[:size].tolist() for row, size in zip(tokens, (1, length // 2, length), strict=True)]
    inputs, _ = pad_rows([Row(row, row) for row in rows], pad)
    with evaluating(subject.model):
        together = subject.model(inputs.to(subject.device))
        alone = [subject.model(torch.tensor([row], device=subject.device))[0] for row in rows]
    found = [apart(batch[: len(row)], row) for batch, row in zip(together, alone, strict=True)]
    return within(max(found), SAME, detail=f"by row: {', '.join(f'{share:.1e}' for share in found)}")


def dropout(subject: Subject) -> Finding:
    """Two passes in evaluation mode, bit for bit; where the config has dropout, two in training mode must differ."""
    model, tokens = subject.model, subject.tokens()
    with torch.no_grad():
        model.eval()
        still = torch.equal(model(tokens), model(tokens))
        model.train()
        drops = not torch.equal(model(tokens), model(tokens))
        model.eval()
    rate = getattr(model.config, "dropout", 0.0)
    if rate > 0 and not drops:
        return Finding("failed", "off in training too", f"dropout is {rate}, and two passes in training were equal")
    return no_faults([] if still else ["two passes in evaluation mode"], "two passes are the same, bit for bit")


def bf16(subject: Subject) -> Finding:
    """A pass in bfloat16, as `training.precision = "bf16"` computes it, against one in float32."""
    model, tokens = subject.model, subject.tokens()
    with evaluating(model):
        expected = model(tokens)
        with autocast(subject.device, "bf16"):
            found = model(tokens)
    return within(apart(found, expected), SAME_BF16)


def compiled(subject: Subject) -> Finding:
    """A small model of this kind compiled, against itself as it is; compiling takes a while."""
    if reason := _no_compiler(subject.device):
        return left_out(reason)
    layers = min(COMPILED_LAYERS, getattr(subject.model.config, "num_layers", 0))
    model, tokens = subject.fresh(num_layers=layers), subject.tokens(2, min(COMPILED_ROW, subject.row_length))
    with evaluating(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.compile(_anything)(tokens)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return left_out(f"torch.compile doesn't work here: {reason}")
        found = torch.compile(model)(tokens)
        torch._dynamo.reset()
        return within(apart(found, model(tokens)), SAME_COMPILED)


def _anything(tokens: Tensor) -> Tensor:
    """What a compiler that works can compile."""
    return tokens * 2 + 1


def _no_compiler(device: torch.device) -> str:
    """Why nothing can be compiled here, or ""."""
    compilers = [os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl"]
    if device.type == "cpu" and not any(shutil.which(name) for name in compilers if name):
        return "no C++ compiler here (g++, clang++ or cl)"
    return ""
