"""Several texts in one row: each is read as if it were alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.layers.attention import segment_bias
from hornbook.layers.positions import places_in_segments
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig

SIZES = {"vocab_size": 20, "context_length": 32, "num_layers": 2, "num_heads": 2, "embed_dim": 16}
POSITIONS = ["learned", "sinusoidal", "rotary", "alibi", "relative", "none"]
MODELS = {
    **{f"gpt-{kind}": lambda kind=kind: GPT(GPTConfig(**SIZES, positions=kind)) for kind in POSITIONS},
    "llama": lambda: Llama(LlamaConfig(**SIZES, num_kv_heads=1)),
    "llama-window": lambda: Llama(LlamaConfig(**SIZES, sliding_window=3)),
    "bigram": lambda: Bigram(BigramConfig(vocab_size=20, context_length=32)),
}


def strong(name: str) -> Model:
    """A model whose every weight matters."""
    model: Model = MODELS[name]().eval()
    generator = torch.Generator().manual_seed(3)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=generator)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_packed_row_gives_the_logits_of_each_text_alone(name: str) -> None:
    model = strong(name)

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=8), min_size=1, max_size=4))
    def check(texts: list[list[int]]) -> None:
        row = [token for text in texts for token in text]
        numbers = [number for number, text in enumerate(texts) for _ in text]
        with torch.no_grad():
            packed = model(torch.tensor([row, row]), segments=torch.tensor([numbers, numbers]))
            alone = torch.cat([model(torch.tensor([text]))[0] for text in texts])
        torch.testing.assert_close(packed[1], alone, rtol=1e-5, atol=1e-5)

    check()


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("bigram",)])
def test_without_segments_a_text_is_heard_by_the_next(name: str) -> None:
    model, row = strong(name), torch.tensor([[3, 1, 4, 1, 5]])
    with torch.no_grad():
        together, apart = model(row), model(row, segments=torch.tensor([[1, 1, 1, 2, 2]]))
    torch.testing.assert_close(together[:, :3], apart[:, :3])
    assert float((together[:, 3:] - apart[:, 3:]).abs().max()) > 1e-3


def test_places_begin_again_in_each_text() -> None:
    assert places_in_segments(torch.tensor([[1, 1, 1, 2, 2, 0], [0, 0, 1, 0, 0, 0]])).tolist() == [
        [0, 1, 2, 0, 1, 0],
        [0, 1, 0, 0, 1, 2],
    ]


def test_a_bias_of_nothing_within_a_text() -> None:
    hidden = float("-inf")
    assert segment_bias(torch.tensor([[1, 1, 2]])).tolist() == [[[[0, 0, hidden], [0, 0, hidden], [hidden, hidden, 0]]]]


@pytest.mark.parametrize("name", ["gpt-learned", "gpt-alibi", "llama", "llama-window"])
def test_the_weights_shown_are_parted_too(name: str) -> None:
    model, seen = strong(name), []
    attention = model.blocks[0].attention
    attention.register_forward_pre_hook(lambda module, inputs: seen.append(module.weights(*inputs[:2])))
    with torch.no_grad():
        model(torch.tensor([[3, 1, 4, 1, 5]]), segments=torch.tensor([[1, 1, 1, 2, 2]]))
    assert float(seen[0][..., 3:, :3].abs().max()) == 0
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(1, 2, 5))
