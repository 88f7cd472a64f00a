"""The parts of Llama against those of `transformers` and torch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hornbook.layers.feed_forward import SwiGLU
from hornbook.layers.norms import RMSNorm
from hornbook.layers.positions import rotary_tables, rotate, slower_where_slow


@pytest.mark.parametrize(("theta", "context"), [(10000.0, 4096), (500000.0, 8192)])
def test_rotation_by_halves_is_that_of_transformers(number, theta: float, context: int) -> None:
    assert number("llama-06") == "torch.testing.assert_close"
    transformers = pytest.importorskip("transformers")
    theirs = pytest.importorskip("transformers.models.llama.modeling_llama")
    config = transformers.LlamaConfig(
        hidden_size=64,
        num_attention_heads=4,
        max_position_embeddings=context,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
    )
    torch.manual_seed(123)
    places = [0, 1, 2, 1000, context - 1]
    queries, keys = torch.randn(2, 2, 4, len(places), 16)
    angles = theirs.LlamaRotaryEmbedding(config)(queries, torch.tensor([places]))
    expected = theirs.apply_rotary_pos_emb(queries, keys, *angles)
    tables = [table[places] for table in rotary_tables(16, context, theta)]
    torch.testing.assert_close((rotate(queries, *tables), rotate(keys, *tables)), expected)


def test_norm_and_activation_are_those_of_torch(number) -> None:
    assert number("llama-06") == "torch.testing.assert_close"
    torch.manual_seed(123)
    x, ours, theirs = torch.randn(2, 3, 32), RMSNorm(32, eps=1e-5), nn.RMSNorm(32, eps=1e-5)
    for norm in (ours, theirs):
        nn.init.constant_(norm.weight, 1.7)
    torch.testing.assert_close(ours(x), theirs(x))
    by_hand = x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() * 1.7
    torch.testing.assert_close(ours(x), by_hand)
    layer = SwiGLU(32, 48)
    gate = F.silu(layer.gate(x))
    torch.testing.assert_close(gate, layer.gate(x) * torch.sigmoid(layer.gate(x)))
    torch.testing.assert_close(layer(x), layer.down(gate * layer.up(x)))


def test_llama_3_1_rescales_as_transformers_does(number) -> None:
    """Numbers llama-06: factor 8, low 1, high 4, trained on 8192 positions; fast, slow and mixed pairs all occur."""
    assert number("llama-06") == "torch.testing.assert_close"
    transformers = pytest.importorskip("transformers")
    theirs = pytest.importorskip("transformers.models.llama.modeling_llama")
    numbers = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    form = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, **numbers}
    config = transformers.LlamaConfig(hidden_size=256, num_attention_heads=4, rope_parameters=form)
    expected = theirs.LlamaRotaryEmbedding(config).inv_freq
    plain = 1.0 / 500000.0 ** (torch.arange(0, 64, 2) / 64)
    found = slower_where_slow(plain, 8.0, 1.0, 4.0, 8192)
    torch.testing.assert_close(found, expected, atol=0, rtol=1e-6)
    kept, slowed = torch.isclose(found, plain, rtol=1e-6), torch.isclose(found, plain / 8, rtol=1e-6)
    assert kept.any()
    assert slowed.any()
    assert not (kept | slowed).all()
    places = torch.tensor([[0, 1, 2, 1000, 131071]])
    cosines, _ = theirs.LlamaRotaryEmbedding(config)(torch.zeros(1), places)
    tables = rotary_tables(64, 131072, 500000.0, lambda speeds: slower_where_slow(speeds, 8.0, 1.0, 4.0, 8192))
    torch.testing.assert_close(tables[0][places], cosines, atol=1e-2, rtol=0)  # at 131071 one last bit turns 0.008
    torch.testing.assert_close(tables[0][places[:, :4]], cosines[:, :4], atol=1e-4, rtol=0)
