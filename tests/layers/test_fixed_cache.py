"""A cache of fixed shapes gives what the growing one gives, wherever the text begins, is cut or goes on."""

import pytest
import torch
from torch import Tensor

from hornbook.layers.fixed_cache import FixedCache
from hornbook.layers.kv_cache import KVCache
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator

SIZES = {"vocab_size": 40, "context_length": 48, "num_layers": 2, "num_heads": 4, "embed_dim": 32}
MODELS = {
    "llama": lambda: Llama(LlamaConfig(**SIZES), torch_generator(0, "weights")),
    "llama, grouped heads": lambda: Llama(LlamaConfig(**SIZES, num_kv_heads=2), torch_generator(0, "weights")),
    "llama, no qk_norm": lambda: Llama(LlamaConfig(**SIZES, qk_norm=False), torch_generator(0, "weights")),
    "gpt": lambda: GPT(GPTConfig(**SIZES), torch_generator(0, "weights")),
    "gpt, rotary": lambda: GPT(GPTConfig(**SIZES, positions="rotary"), torch_generator(0, "weights")),
    "gpt, sinusoidal": lambda: GPT(GPTConfig(**SIZES, positions="sinusoidal"), torch_generator(0, "weights")),
}
TOKENS = torch.randint(40, (2, 48), generator=torch_generator(1, "tokens"))


def read(model: Model, tokens: Tensor, cache: KVCache) -> Tensor:
    with torch.inference_mode():
        return model.logits(model.hidden(tokens, cache)[:, -1])


def begun(model: Model, length: int) -> KVCache:
    """A cache with nan wherever nothing was written, which holds the first tokens of two rows."""
    cache = model.new_cache(2)
    cache.keys.fill_(torch.nan)
    cache.values.fill_(torch.nan)
    if length:
        read(model, TOKENS[:, :length], cache)
    return cache


@pytest.mark.parametrize(("name", "room"), [*((name, 40) for name in MODELS), ("gpt", 48)])
def test_two_rows_token_by_token_up_to_the_last_place(name: str, room: int) -> None:
    model = MODELS[name]().eval()
    for start in (0, 29):
        plain, fixed = begun(model, start), FixedCache(begun(model, start), room)
        for place in range(start, room):
            tokens = TOKENS[:, place : place + 1]
            torch.testing.assert_close(read(model, tokens, fixed), read(model, tokens, plain), atol=1e-5, rtol=1e-5)
            assert fixed.length == int(fixed.place) == place + 1
        with pytest.raises(
            ValueError, match=f"holds {room} of {room} tokens" if room < 48 else "longer than the context"
        ):
            read(model, tokens, fixed)


def test_it_writes_into_the_memory_of_the_whole() -> None:
    model = MODELS["llama"]().eval()
    whole = begun(model, 5)
    fixed = FixedCache(whole, 16)
    read(model, TOKENS[:, 5:6], fixed)
    whole.length = 6
    torch.testing.assert_close(read(model, TOKENS[:, 6:7], whole), read(model, TOKENS[:, :7], model.new_cache(2)))


@pytest.mark.parametrize("name", ["llama, grouped heads", "gpt"])
def test_cut_emptied_and_given_another_text(name: str) -> None:
    model = MODELS[name]().eval()
    fixed = FixedCache(begun(model, 20), 48)
    after = [read(model, TOKENS[:, :length], model.new_cache(2)) for length in (13, 1, 8)]
    fixed.truncate(12)
    torch.testing.assert_close(read(model, TOKENS[:, 12:13], fixed), after[0], atol=1e-5, rtol=1e-5)
    fixed.reset()
    torch.testing.assert_close(read(model, TOKENS[:, :1], fixed), after[1], atol=1e-5, rtol=1e-5)
    fixed.adopt(begun(model, 9), 7)
    torch.testing.assert_close(read(model, TOKENS[:, 7:8], fixed), after[2], atol=1e-5, rtol=1e-5)
    with pytest.raises(AssertionError, match="one token at a time"):
        read(model, TOKENS[:, 8:10], fixed)


@pytest.mark.parametrize(
    "model",
    [
        GPT(GPTConfig(**SIZES, positions="alibi")),
        GPT(GPTConfig(**SIZES, positions="relative")),
        Llama(LlamaConfig(**SIZES, sliding_window=8)),
    ],
)
def test_positions_that_know_no_tensor_say_so(model: Model) -> None:
    with pytest.raises(NotImplementedError):
        read(model.eval(), TOKENS[:, :1], FixedCache(begun(model, 0), 48))
