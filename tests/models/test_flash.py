"""What a GPU's fast kernels ask for, looked at on a CPU: how attention is called, and the precision of products."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook.device import fast_products
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig

SIZES = {"vocab_size": 20, "context_length": 8, "num_layers": 1, "num_heads": 4, "embed_dim": 32}


@pytest.mark.parametrize("kind", ["gpt", "gpt with rotary positions", "llama", "llama with grouped heads"])
def test_attention_can_take_the_flash_kernel(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wants no mask, only `is_causal`, and heads whose numbers lie side by side."""
    seen: list[dict[str, Any]] = []
    attention = nn.functional.scaled_dot_product_attention

    def look(*heads: Tensor, **how: Any) -> Tensor:
        seen.append(how)
        assert all(part.stride(-1) == 1 and part.dtype == heads[0].dtype for part in heads)
        return attention(*heads, **how)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", look)
    model: Model
    if kind.startswith("gpt"):
        model = GPT(GPTConfig(**SIZES, positions="rotary" if "rotary" in kind else "learned"))
    else:
        model = Llama(LlamaConfig(**SIZES, num_kv_heads=2 if "grouped" in kind else 4))
    model(torch.zeros(2, 8, dtype=torch.int64))
    assert [(how["attn_mask"], how["is_causal"]) for how in seen] == [(None, True)]


def test_products_are_fast_on_cuda_inside_only() -> None:
    before = torch.get_float32_matmul_precision()
    with fast_products(torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == before
    with fast_products(torch.device("cuda")):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
