"""A model with fewer bits a weight: what becomes of each part, and that it computes nearly the same."""

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import nn

from hornbook.device import WeightPrecision
from hornbook.errors import UserError
from hornbook.layers.quantized import Int4Linear, Int8Linear, QuantizedEmbedding
from hornbook.models._precision import narrow
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.character import Character
from hornbook.weights.model_folder import save_model_folder

SIZES = {"vocab_size": 50, "context_length": 32, "num_layers": 2, "num_heads": 2, "embed_dim": 64}
FAR = {"bf16": 0.02, "int8": 0.04, "int4": 0.3}


def model(kind: Literal["gpt", "llama"], tied: bool = True) -> Model:
    generator = torch.Generator().manual_seed(2)
    made: Model = (
        GPT(GPTConfig.model_validate(SIZES | {"tied_output": tied}), generator)
        if kind == "gpt"
        else Llama(LlamaConfig.model_validate(SIZES | {"tied_output": tied}), generator)
    )
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4)
    return made.eval()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["gpt", "llama"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("precision", FAR)
def test_logits_are_near_the_trained_ones(
    kind: Literal["gpt", "llama"], tied: bool, precision: WeightPrecision
) -> None:
    tokens = torch.randint(0, 50, (2, 20), generator=torch.Generator().manual_seed(1))
    expected = model(kind, tied)(tokens)
    narrowed = narrow(model(kind, tied), precision)
    found = narrowed(tokens)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).norm() / expected.norm() < FAR[precision]
    assert not [
        part for part in narrowed.modules() if isinstance(part, nn.Linear | nn.Embedding) and len(part.weight) == 50
    ]
    cache = narrowed.new_cache(2)
    parts = torch.cat([narrowed(tokens[:, :9], cache), *(narrowed(tokens[:, [n]], cache) for n in range(9, 20))], dim=1)
    assert cache.keys.dtype == torch.float32
    assert (parts - found).norm() / found.norm() < FAR["int8"]


def test_4_bits_keep_8_where_it_matters_or_nothing_else_fits() -> None:
    narrowed = narrow(model("gpt"), "int4")
    assert isinstance(narrowed.output, Int8Linear)
    assert isinstance(narrowed.token_embedding, QuantizedEmbedding)
    assert narrowed.token_embedding.levels is narrowed.output.levels  # one matrix, as it was
    block = narrowed.get_submodule("blocks.0")
    assert isinstance(block.get_submodule("attention.qkv"), Int4Linear)
    odd = GPT(GPTConfig.model_validate(SIZES | {"embed_dim": 40}))
    assert isinstance(narrow(odd, "int4").get_submodule("blocks.0.feed_forward.up"), Int8Linear)


def test_a_table_of_counts_stays() -> None:
    bigram = Bigram(BigramConfig(vocab_size=9))
    assert narrow(bigram, "int8").token_embedding is bigram.token_embedding
    assert isinstance(bigram.token_embedding, nn.Embedding)


def test_exact_is_untouched() -> None:
    made = model("gpt")
    parts = dict(made.named_modules())
    assert dict(narrow(made, "fp32").named_modules()) == parts


def test_other_devices_have_bf16_only() -> None:
    on_meta = model("gpt").to("meta")
    with pytest.raises(UserError, match="int8 weights are for a CPU, not for 'meta'"):
        narrow(on_meta, "int8")
    assert next(narrow(on_meta, "bf16").parameters()).dtype == torch.bfloat16


def test_it_is_not_saved_as_if_it_were_the_trained_one(tmp_path: Path) -> None:
    tokenizer = Character.train(["abc"])
    with pytest.raises(UserError, match="fewer bits a weight isn't saved"):
        save_model_folder(tmp_path / "model", narrow(model("gpt"), "int8"), tokenizer)
    assert not (tmp_path / "model").exists()


def test_another_precision_names_the_choices() -> None:
    with pytest.raises(UserError, match="unknown precision 'int9'"):
        narrow(model("gpt"), "int9")  # type: ignore[arg-type]
