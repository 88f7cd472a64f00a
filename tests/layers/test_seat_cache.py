"""Texts of different lengths in one cache: each is computed as it would be alone, whoever joins and leaves."""

import random

import pytest
import torch

from hornbook.layers.kv_cache import SeatCache
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator

SIZES = {"vocab_size": 40, "context_length": 300, "num_layers": 2, "num_heads": 4, "embed_dim": 32}
MODELS = {
    "llama": lambda: Llama(LlamaConfig(**SIZES, num_kv_heads=2), torch_generator(0, "weights")),
    "gpt": lambda: GPT(GPTConfig(**SIZES), torch_generator(0, "weights")),
    "rotary": lambda: GPT(GPTConfig(**SIZES, positions="rotary"), torch_generator(0, "weights")),
    "sinusoidal": lambda: GPT(GPTConfig(**SIZES, positions="sinusoidal"), torch_generator(0, "weights")),
    "none": lambda: GPT(GPTConfig(**SIZES, positions="none"), torch_generator(0, "weights")),
}


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_texts_that_join_and_leave_are_computed_as_alone(name: str) -> None:
    model, draw = MODELS[name]().eval(), random.Random(1)
    seats, texts = SeatCache(model.new_cache(1), 4), list[list[int]]()
    compared = 0
    for _ in range(180):
        if len(texts) < 4 and draw.random() < 0.3:
            text = draw.choices(range(40), k=draw.choice([1, 5, 120]))
            seats.join(_read(model, text))
            texts.append(text)
        elif texts and draw.random() < 0.1:
            seat = draw.randrange(len(texts))
            moved = seats.leave(seat)
            texts[seat] = texts[moved]
            texts.pop()
        if texts:
            new = draw.choices(range(40), k=len(texts))
            for text, token in zip(texts, new, strict=True):
                text.append(token)
            together = model.logits(model.hidden(torch.tensor(new)[:, None], seats))[:, -1]
            for seat, text in enumerate(texts):
                torch.testing.assert_close(together[seat], model(torch.tensor([text]))[0, -1], atol=2e-5, rtol=1e-4)
                compared += 1
        texts_too_long = [seat for seat, text in enumerate(texts) if len(text) > 290]
        for seat in reversed(texts_too_long):
            texts[seat] = texts[seats.leave(seat)]
            texts.pop()
    assert compared > 200
    assert seats.keys.shape[3] > 128  # room was made


def test_what_does_not_fit_is_refused() -> None:
    model = MODELS["llama"]().eval()
    seats = SeatCache(model.new_cache(1), 1)
    seats.join(_read(model, [1] * 300))
    with pytest.raises(ValueError, match="all 1 seats are taken"):
        seats.join(_read(model, [1]))
    with pytest.raises(ValueError, match="longer than the context"):
        model.hidden(torch.tensor([[1]]), seats)
    seats.reset()
    assert seats.count == 0


@pytest.mark.parametrize("positions", ["alibi", "relative"])
def test_positions_that_know_one_length_only_say_so(positions: str) -> None:
    model = GPT(GPTConfig(**SIZES, positions=positions)).eval()  # type: ignore[arg-type]
    seats = SeatCache(model.new_cache(1), 2)
    seats.join(_read(model, [1, 2]))
    with pytest.raises(NotImplementedError, match="one length at a time"):
        model.hidden(torch.tensor([[1]]), seats)


def _read(model: Model, text: list[int]):  # type: ignore[no-untyped-def]
    cache = model.new_cache(1, len(text))
    with torch.inference_mode():
        model.hidden(torch.tensor([text]), cache)
    return cache
