"""What happens inside a model on one text, as plain numbers for the page. T tokens, V vocabulary, L layers, H heads."""

import base64
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer

SHOWN = 12  # alternatives of a token
BARS = 60  # of the distribution of the next token, which the page tempers and cuts itself
LENS = 3  # answers of each layer


def pieces(ids: Sequence[int], tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Each token with its text; `space` where it begins with one."""
    special = {token: name for name, token in tokenizer.special_tokens.items()}
    return [{"id": token, "text": special.get(token) or tokenizer.token_text(token)} for token in ids]


@torch.inference_mode()
def likelihoods(model: Model, ids: Sequence[int], tokenizer: Tokenizer) -> dict[str, Any]:
    """How likely each token was after those before it, what else might have come, and what may come next.

    Probabilities are at temperature 1. `next` are logits, so that the page can temper and cut them as it likes;
    `rest` is what all other tokens weigh, as a logit.
    """
    logits = _logits(model, ids, tokenizer.vocab_size)  # (T, V)
    shares = logits.softmax(dim=-1)
    tokens: list[dict[str, Any]] = [{**pieces(ids[:1], tokenizer)[0], "probability": None, "others": []}]
    values, others = shares[:-1].topk(min(SHOWN, shares.shape[1]), dim=-1)
    for place, token in enumerate(ids[1:]):
        alternatives = pieces(others[place].tolist(), tokenizer)
        tokens.append({
            **pieces([token], tokenizer)[0],
            "probability": float(shares[place, token]),
            "others": [one | {"probability": p} for one, p in zip(alternatives, values[place].tolist(), strict=True)],
        })  # fmt: skip
    best = logits[-1].topk(min(BARS, logits.shape[1]))
    rest = logits[-1].clone()
    rest[best.indices] = float("-inf")
    following = pieces(best.indices.tolist(), tokenizer)
    bars = [one | {"logit": value} for one, value in zip(following, best.values.tolist(), strict=True)]
    weight = float(rest.logsumexp(dim=-1))
    return {"tokens": tokens, "next": bars, "rest": weight if weight > float("-inf") else None}


@torch.inference_mode()
def attention(model: Model, ids: Sequence[int]) -> dict[str, Any]:
    """Where each token looks, in every layer and head: weights as bytes (255 is 1), base64 of (L, H, T, T).

    `layers` is 0 where a model has no attention.
    """
    found = model.attention_weights(_row(model, ids))
    if not found:
        return {"layers": 0, "heads": 0, "weights": ""}
    weights = torch.stack([layer[0] for layer in found])  # (L, H, T, T)
    data = (weights.float().cpu() * 255).round().to(torch.uint8).numpy().tobytes()
    return {"layers": weights.shape[0], "heads": weights.shape[1], "weights": base64.b64encode(data).decode()}


@torch.inference_mode()
def lens(model: Model, ids: Sequence[int], tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """What each layer would answer if the model ended behind it (the logit lens), and how surprised it would be.

    Out: for the embedding and each layer, per token the likeliest next tokens, and the loss in nats of the one that came
    (None for the last). [] for a model without blocks. Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    states = _states(model, ids)
    targets = torch.tensor(ids[1:], dtype=torch.int64)
    rows = []
    for name, hidden in states:
        logits = model.logits(hidden)[0, :, : tokenizer.vocab_size].float().cpu()
        logarithms = logits.log_softmax(dim=-1)
        losses = (-logarithms[:-1].gather(-1, targets[:, None])[:, 0]).tolist() if len(targets) else []
        best = logarithms.topk(LENS, dim=-1)
        answers = [
            [one | {"probability": p} for one, p in zip(pieces(tokens, tokenizer), chances, strict=True)]
            for tokens, chances in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
        ]
        rows.append({"layer": name, "answers": answers, "losses": [*losses, None]})
    return rows


def _states(model: Model, ids: Sequence[int]) -> list[tuple[str, Tensor]]:
    """The vectors between the layers, as the output layer would read them: after the final norm."""
    blocks = dict(model.named_children()).get("blocks")
    if not isinstance(blocks, nn.ModuleList):
        return []
    norm = dict(model.named_children()).get("final_norm", nn.Identity())
    seen: list[Tensor] = []
    hooks = [blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))]
    hooks += [block.register_forward_hook(lambda _, inputs, output: seen.append(output)) for block in blocks]
    try:
        model.hidden(_row(model, ids))
    finally:
        for hook in hooks:
            hook.remove()
    names = ["embedding", *(f"layer {number}" for number in range(1, len(blocks) + 1))]
    return [(name, norm(state)) for name, state in zip(names, seen, strict=True)]


def _logits(model: Model, ids: Sequence[int], vocab_size: int) -> Tensor:
    logits: Tensor = model(_row(model, ids))
    return logits[0, :, :vocab_size].float().cpu()


def _row(model: Model, ids: Sequence[int]) -> Tensor:
    return torch.tensor([list(ids)], device=next(model.parameters()).device)
