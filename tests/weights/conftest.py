"""Small models and a small tokenizer, shared by the tests of this stage."""

import pytest
import torch

from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT
from hornbook.models.llama import Llama
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.character import Character

SIZES = {"context_length": 24, "num_layers": 2, "num_heads": 4, "embed_dim": 32}
CONFIGS = {
    "gpt": (GPT, {}),
    "gpt-no-qkv-bias": (GPT, {"biases": "all_but_qkv", "activation": "gelu"}),
    "gpt-no-bias-untied": (GPT, {"biases": "none", "activation": "relu", "tied_output": False, "dropout": 0.2}),
    "llama": (Llama, {"qk_norm": False}),
    "llama-grouped-untied": (Llama, {"qk_norm": False, "num_kv_heads": 2, "tied_output": False, "rope_theta": 5e5}),
    "qwen3": (Llama, {"num_kv_heads": 2}),
    "qwen3-wide-heads": (
        Llama,
        {"num_kv_heads": 1, "head_dim": 12, "tied_output": False, "dropout": 0.1, "norm_eps": 1e-5},
    ),
}
LLAMA3 = {"kind": "llama3", "factor": 8.0, "original_context_length": 16}
SCALED = {
    "llama-llama3": (Llama, {"qk_norm": False, "rope_scaling": LLAMA3, "rope_theta": 100.0}),
    "llama-linear": (Llama, {"qk_norm": False, "rope_scaling": {"kind": "linear", "factor": 4.0}, "num_kv_heads": 2}),
    "qwen3-linear": (Llama, {"rope_scaling": {"kind": "linear", "factor": 2.0}}),
    "qwen2": (Llama, {"qk_norm": False, "qkv_bias": True, "num_kv_heads": 2}),
    "qwen2-wide-heads": (
        Llama,
        {
            "qk_norm": False,
            "qkv_bias": True,
            "num_kv_heads": 1,
            "head_dim": 12,
            "tied_output": False,
            "rope_theta": 1e6,
        },
    ),
    "mistral": (Llama, {"qk_norm": False, "sliding_window": 5, "num_kv_heads": 2, "tied_output": False}),
    "mistral-wide-heads": (Llama, {"qk_norm": False, "sliding_window": 1, "num_kv_heads": 1, "head_dim": 12}),
}
OWN = {
    "bigram": (Bigram, None),
    "gpt-sinusoidal": (GPT, {"positions": "sinusoidal"}),
    "gpt-rotary": (GPT, {"positions": "rotary"}),
    "gpt-alibi": (GPT, {"positions": "alibi"}),
    "gpt-relative": (GPT, {"positions": "relative", "tied_output": False}),
    "gpt-without-positions": (GPT, {"positions": "none"}),
    "gpt-norm-after": (GPT, {"norm": "after", "activation": "relu"}),
    "llama-of-no-family": (Llama, {"qkv_bias": True, "sliding_window": 3, "rope_scaling": LLAMA3}),
}


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Character.train(["a hornbook was a child's first sheet of letters"])


@pytest.fixture
def make_model(tokenizer: Tokenizer):
    """`make_model("qwen3")` -> a model of `CONFIGS`, `SCALED` or `OWN`, its weights so large that each of them matters."""

    def make(name: str) -> Model:
        model_class, settings = (CONFIGS | SCALED | OWN)[name]
        if model_class is Bigram:
            model = Bigram(BigramConfig(vocab_size=tokenizer.vocab_size))
        else:
            model = model_class(model_class.config_class(vocab_size=tokenizer.vocab_size, **SIZES | settings))
        generator = torch.Generator().manual_seed(4)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, mean=0.1, std=0.3, generator=generator)
        return model.eval()

    return make
