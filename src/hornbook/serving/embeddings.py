"""/v1/embeddings: a text as one vector, the mean of the model's last hidden vectors."""

import base64
from collections.abc import Sequence

import numpy as np
import torch

from hornbook.models.base import Model


@torch.inference_mode()
def embedding(model: Model, ids: Sequence[int]) -> np.ndarray:
    """The mean over a text's tokens of the vectors before the output layer, (C,) float32, of length 1.

    Of a text longer than the context, each part that fits is read and all tokens count alike.
    """
    device, context = next(model.parameters()).device, model.config.context_length
    total, count = None, 0
    for start in range(0, len(ids), context):
        part = torch.tensor([list(ids[start : start + context])], device=device)
        summed = model.hidden(part)[0].float().sum(dim=0)
        total, count = summed if total is None else total + summed, count + part.shape[1]
    assert total is not None, "a text has tokens"
    mean = (total / count).cpu().numpy()
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def encoded(vector: np.ndarray, form: str) -> list[float] | str:
    """As numbers, or as base64 of little-endian float32, which OpenAI's client asks for."""
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(number) for number in vector]
