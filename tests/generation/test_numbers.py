"""The text of the book's own GPT-2, to the letter: its weights as its seed draws them, our model and our loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook.generation.generate import generate_tokens
from hornbook.generation.sampling import Sampling
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.tokenizers.bpe import BPE

LAYERS, WIDTH, CONTEXT, VOCABULARY = 12, 768, 1024, 50257


def drawn_in_the_books_order() -> dict[str, Tensor]:
    """torch's own initial weights: embeddings, then each block's attention and feed-forward, then the output."""
    state = {"token_embedding": nn.Embedding(VOCABULARY, WIDTH), "position_embedding": nn.Embedding(CONTEXT, WIDTH)}
    qkv = {}
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        parts = [nn.Linear(WIDTH, WIDTH, bias=False).weight for _ in range(3)]
        qkv[f"{block}.attention.qkv.weight"] = torch.cat(parts).detach()
        state[f"{block}.attention.output"] = nn.Linear(WIDTH, WIDTH)
        state[f"{block}.feed_forward.up"] = nn.Linear(WIDTH, 4 * WIDTH)
        state[f"{block}.feed_forward.down"] = nn.Linear(4 * WIDTH, WIDTH)
        state |= {f"{block}.{part}_norm": nn.LayerNorm(WIDTH) for part in ("attention", "feed_forward")}
    state |= {"final_norm": nn.LayerNorm(WIDTH), "output": nn.Linear(WIDTH, VOCABULARY, bias=False)}
    return qkv | {
        f"{place}.{name}": tensor for place, module in state.items() for name, tensor in module.state_dict().items()
    }


@pytest.mark.slow
def test_the_books_untrained_gpt2_writes_what_it_printed(
    shared_data: Callable[[str], Path], number: Callable[[str], Any]
) -> None:
    expected = number("gen-02").removesuffix(" ...")
    folder = shared_data("gpt2-vocabulary")
    sizes = {"vocab_size": VOCABULARY, "context_length": CONTEXT, "embed_dim": WIDTH, "num_layers": LAYERS}
    with torch.device("meta"):
        model = GPT(GPTConfig(**sizes, num_heads=12, biases="all_but_qkv", tied_output=False))
    torch.manual_seed(123)
    model.load_state_dict(drawn_in_the_books_order(), assign=True)
    gpt2 = BPE.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")
    prompt = gpt2.encode("Hello, I am")
    written = list(generate_tokens(model, prompt, Sampling(temperature=0), max_new_tokens=30, seed=0))
    assert len(written) == 30
    assert gpt2.decode([*prompt, *written]).startswith(expected)
