"""Small models and GPT-2's tokenizer, shared by the tests of this stage."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer, named_tokenizer

SIZES = {"vocab_size": 20, "context_length": 24, "num_layers": 2, "num_heads": 2, "embed_dim": 16}
KINDS = ["gpt", "gpt-untied", "llama", "llama-grouped", "bigram"]


def small_model(kind: str) -> Model:
    """A model of 20 tokens and 24 positions, its weights so large that each of them matters."""
    generator = torch.Generator().manual_seed(4)
    model: Model
    if kind == "bigram":
        model = Bigram(BigramConfig(vocab_size=20, context_length=24))
    elif kind.startswith("gpt"):
        model = GPT(GPTConfig(**SIZES, tied_output=kind == "gpt"))
    else:
        model = Llama(LlamaConfig(**SIZES, num_kv_heads=1 if kind == "llama-grouped" else 2))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, mean=0.1, std=0.3, generator=generator)
    return model


@pytest.fixture
def make_model() -> Callable[[str], Model]:
    """`make_model("llama")` -> a small model of `KINDS`."""
    return small_model


@pytest.fixture(params=KINDS)
def any_model(request: pytest.FixtureRequest) -> Model:
    """One of each kind of model."""
    return small_model(request.param)


@pytest.fixture
def gpt2(shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Tokenizer:
    """GPT-2's own vocabulary."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))
    return _named("gpt2")


@cache
def _named(name: str) -> Tokenizer:
    return named_tokenizer(name)  # a second to build: once for all tests
