"""The parts of Llama against those of `transformers` and torch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hornbook.layers.feed_forward import SwiGLU
from hornbook.layers.norms import RMSNorm
from hornbook.layers.positions import rotary_tables, rotate


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
