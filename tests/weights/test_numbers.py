"""GPT-2's weights as OpenAI stored them (w and b, g and b) land where the book puts them; wrong shapes are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights import gpt2
from hornbook.weights.model_folder import load_model_folder, save_model_folder

WIDTH, VOCABULARY, CONTEXT = 8, 11, 6


def openai_weights() -> dict[str, Tensor]:
    """One block under the names of the published files; matrices are (in, out)."""
    generator = torch.Generator().manual_seed(1)
    shapes = {"wte.weight": (VOCABULARY, WIDTH), "wpe.weight": (CONTEXT, WIDTH)}
    for name, inner, outer in (
        ("attn.c_attn", WIDTH, 3 * WIDTH),
        ("attn.c_proj", WIDTH, WIDTH),
        ("mlp.c_fc", WIDTH, 4 * WIDTH),
        ("mlp.c_proj", 4 * WIDTH, WIDTH),
    ):
        shapes |= {f"h.0.{name}.weight": (inner, outer), f"h.0.{name}.bias": (outer,)}
    for name in ("h.0.ln_1", "h.0.ln_2", "ln_f"):
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_every_weight_lands_where_the_book_puts_it() -> None:
    """Numbers wt-03, the rule: split in three and turned for queries, keys and values; turned for all other matrices."""
    theirs = openai_weights()
    sizes = {"vocab_size": VOCABULARY, "context_length": CONTEXT, "embed_dim": WIDTH, "num_layers": 1, "num_heads": 2}
    model = GPT(GPTConfig(**sizes))
    model.load_state_dict(gpt2.from_disk(theirs, model.config))
    block, ours = model.blocks[0], dict(model.named_parameters())
    split = theirs["h.0.attn.c_attn.weight"].split(WIDTH, dim=-1)
    for found, query_key_or_value in zip(block.attention.qkv.weight.chunk(3), split, strict=True):
        assert torch.equal(found, query_key_or_value.T)
    assert torch.equal(block.attention.qkv.bias, theirs["h.0.attn.c_attn.bias"])
    for place, name in (
        ("attention.output", "attn.c_proj"),
        ("feed_forward.up", "mlp.c_fc"),
        ("feed_forward.down", "mlp.c_proj"),
    ):
        assert torch.equal(ours[f"blocks.0.{place}.weight"], theirs[f"h.0.{name}.weight"].T)
        assert torch.equal(ours[f"blocks.0.{place}.bias"], theirs[f"h.0.{name}.bias"])
    norms = {"blocks.0.attention_norm": "h.0.ln_1", "blocks.0.feed_forward_norm": "h.0.ln_2", "final_norm": "ln_f"}
    embeddings = {"token_embedding": "wte", "position_embedding": "wpe"}
    for place, name in (norms | embeddings).items():
        assert torch.equal(ours[f"{place}.weight"], theirs[f"{name}.weight"])
    for place, name in norms.items():
        assert torch.equal(ours[f"{place}.bias"], theirs[f"{name}.bias"])
    hidden = torch.randn(2, WIDTH)
    assert torch.equal(model.logits(hidden), hidden @ theirs["wte.weight"].T)  # the output is the embedding again


def test_another_shape_is_refused_with_both_shapes(
    tmp_path: Path, make_model: Callable[[str], Model], tokenizer: Tokenizer, number: Callable[[str], Any]
) -> None:
    assert "when shapes differ" in number("wt-03")  # the book raises ValueError there; here it is a user's mistake
    folder = save_model_folder(tmp_path / "model", make_model("gpt"), tokenizer)
    tensors = load_file(folder / "model.safetensors")
    name = "transformer.h.0.mlp.c_fc.weight"
    save_file({**tensors, name: tensors[name][:, :-1].contiguous()}, folder / "model.safetensors")
    (folder / "hornbook.json").unlink()
    with pytest.raises(
        UserError, match=r"c_fc.weight' has the shape \(32, 127\), but config.json asks for \(32, 128\)"
    ):
        load_model_folder(folder)
