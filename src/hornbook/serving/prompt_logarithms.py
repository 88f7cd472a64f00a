"""How likely the model finds each token of a text that is there already."""

from collections.abc import Sequence

import torch

from hornbook.generation.continuous import Written
from hornbook.models.base import Model


@torch.inference_mode()
def prompt_logarithms(model: Model, ids: Sequence[int], alternatives: int, vocab_size: int) -> tuple[Written, ...]:
    """ln p of each token after those before it, and the likeliest ones there; of the first nothing is known.

    [5, 6] -> (Written(token 5, None), Written(token 6, ln p(6 | 5), ...))
    """
    device = next(model.parameters()).device
    logits = model(torch.tensor([list(ids)], device=device))[0, :-1, :vocab_size].float().cpu()  # (T - 1, V)
    logarithms = logits.log_softmax(dim=-1)
    values, likeliest = logarithms.topk(min(alternatives, vocab_size), dim=-1)
    found = [Written(0, ids[0])]
    for place, token in enumerate(ids[1:]):
        pairs = tuple(zip(likeliest[place].tolist(), values[place].tolist(), strict=True))
        found.append(Written(0, token, None, float(logarithms[place, token]), pairs))
    return tuple(found)
