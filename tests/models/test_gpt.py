"""GPT: what its config refuses, and published parameter counts."""

import pytest
import torch

from hornbook.models.gpt import GPT, GPTConfig

SIZES = {"small": (768, 12, 12), "medium": (1024, 24, 16), "large": (1280, 36, 20), "xl": (1600, 48, 25)}
COUNTS = {  # (untied, tied) without query, key and value biases; (untied, tied) with all, as OpenAI's weights have
    "small": ((163009536, 124412160), (163037184, 124439808)),
    "medium": ((406212608, 354749440), (406286336, 354823168)),
    "large": ((838220800, 773891840), (838359040, 774030080)),
    "xl": ((1637792000, 1557380800), (1638022400, 1557611200)),
}


def count(**settings: object) -> int:
    with torch.device("meta"):
        return GPT(GPTConfig(**settings)).num_parameters()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embed_dim": 10, "num_heads": 4}, "embed_dim 10 is not divisible by num_heads 4"),
        ({"embed_dim": 9, "num_heads": 3, "positions": "sinusoidal"}, "embed_dim 9 is odd"),
        ({"activation": "swish"}, "'gelu_tanh', 'gelu' or 'relu'"),
        ({"dropout": 1.0}, "less than 1"),
        ({"num_layers": 0}, "greater than 0"),
    ],
)
def test_impossible_settings_are_explained(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPTConfig(vocab_size=9, **settings)


@pytest.mark.parametrize("size", SIZES)
def test_published_parameter_counts(size: str) -> None:
    embed_dim, num_layers, num_heads = SIZES[size]
    shape = {
        "vocab_size": 50257,
        "context_length": 1024,
        "embed_dim": embed_dim,
        "num_layers": num_layers,
        "num_heads": num_heads,
    }
    for biases, expected in zip(("all_but_qkv", "all"), COUNTS[size], strict=True):
        assert (count(**shape, biases=biases, tied_output=False), count(**shape, biases=biases)) == expected


def test_a_shorter_context_is_smaller() -> None:
    shape = {"vocab_size": 50257, "embed_dim": 768, "num_layers": 12, "num_heads": 12, "biases": "all_but_qkv"}
    assert count(**shape, context_length=256, tied_output=False) == 162419712


def test_nanogpt_counts() -> None:
    """Its character model: 10,745,088 weights, of which it reports all but the positions."""
    shape = {
        "vocab_size": 65,
        "context_length": 256,
        "embed_dim": 384,
        "num_layers": 6,
        "num_heads": 6,
        "biases": "none",
    }
    assert count(**shape) == 10745088
    assert count(**shape) - 256 * 384 == 10646784
    small = {
        "vocab_size": 65,
        "context_length": 64,
        "embed_dim": 128,
        "num_layers": 4,
        "num_heads": 4,
        "biases": "none",
    }
    assert count(**small) - 64 * 128 == 795904


@pytest.mark.parametrize(("vocab_size", "expected"), [(30, 10761246), (9959, 18396647)])
def test_mixa_counts(vocab_size: int, expected: int) -> None:
    """That model has no final norm and an output bias; all else is a GPT without query, key and value biases."""
    shape = {"context_length": 256, "embed_dim": 384, "num_layers": 6, "biases": "all_but_qkv", "tied_output": False}
    for num_heads in (4, 6):
        ours = count(**shape, vocab_size=vocab_size, num_heads=num_heads)
        assert ours - 2 * 384 + vocab_size == expected


def test_sinusoidal_positions_are_not_trained() -> None:
    model = GPT(GPTConfig(vocab_size=5, context_length=8, embed_dim=16, positions="sinusoidal"))
    assert not any("position" in name for name, _ in model.named_parameters())
    assert not model.position_table.requires_grad


def test_residual_projections_start_smaller() -> None:
    model = GPT(GPTConfig(vocab_size=50, num_layers=8, embed_dim=128), torch.Generator().manual_seed(0))
    weights = dict(model.named_parameters())
    assert weights["blocks.0.attention.qkv.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert weights["blocks.0.attention.output.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert weights["blocks.7.feed_forward.down.weight"].std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert not weights["blocks.0.attention.qkv.bias"].any()


def test_dropout_acts_in_training_only() -> None:
    model, tokens = GPT(GPTConfig(vocab_size=50, dropout=0.5)), torch.randint(0, 50, (1, 8))
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))
