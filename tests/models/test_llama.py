"""Llama: what its config refuses, what it derives, and published parameter counts."""

from pathlib import Path

import pytest
import torch

from hornbook.config import build, flag_layer, read_toml, to_toml
from hornbook.models.llama import Llama, LlamaConfig, RopeScaling


def count(**settings: object) -> int:
    with torch.device("meta"):
        return Llama(LlamaConfig(**{"context_length": 16} | settings)).num_parameters()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embed_dim": 128, "num_heads": 5}, "embed_dim 128 is not divisible by num_heads 5"),
        ({"num_heads": 4, "num_kv_heads": 3}, "num_heads 4 is not divisible by num_kv_heads 3"),
        ({"embed_dim": 12, "num_heads": 4}, "head_dim 3 is odd"),
        ({"head_dim": 7}, "head_dim 7 is odd"),
        ({"rope_theta": 0}, "greater than 0"),
        ({"embed_dim": 2, "num_heads": 4}, "not divisible"),
    ],
)
def test_impossible_settings_are_explained(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LlamaConfig(vocab_size=9, **settings)


@pytest.mark.parametrize(
    ("embed_dim", "hidden_dim"), [(64, 192), (128, 384), (192, 512), (256, 704), (768, 2048), (4096, 10944)]
)
def test_derived_sizes(embed_dim: int, hidden_dim: int) -> None:
    config = LlamaConfig(vocab_size=9, embed_dim=embed_dim, num_heads=8)
    assert (config.hidden_dim, config.head_dim, config.num_kv_heads) == (hidden_dim, embed_dim // 8, 8)
    assert LlamaConfig(**config.model_dump()) == config


LLAMA_2_7B = {
    "vocab_size": 32000,
    "embed_dim": 4096,
    "num_heads": 32,
    "num_layers": 32,
    "hidden_dim": 11008,
    "tied_output": False,
    "qk_norm": False,
}
LLAMA_3_1B = {
    "vocab_size": 128256,
    "embed_dim": 2048,
    "num_heads": 32,
    "num_layers": 16,
    "hidden_dim": 8192,
    "num_kv_heads": 8,
    "qk_norm": False,
}
QWEN_3 = {  # name: (embed_dim, num_heads, num_layers, hidden_dim), all with 8 key/value heads of 128
    "0.6B": (1024, 16, 28, 3072),
    "1.7B": (2048, 16, 28, 6144),
    "4B": (2560, 32, 36, 9728),
    "8B": (4096, 32, 36, 12288),
    "14B": (5120, 40, 40, 17408),
    "32B": (5120, 64, 64, 25600),
}
QWEN_3_COUNTS = {"1.7B": (2031739904, 1720574976), "4B": (4411424256, 4022468096)}
QWEN_3_UNTIED = {"8B": 8190735360, "14B": 14768307200, "32B": 32762123264}


def qwen(size: str, tied_output: bool) -> int:
    names = ("embed_dim", "num_heads", "num_layers", "hidden_dim")
    return count(
        vocab_size=151936,
        num_kv_heads=8,
        head_dim=128,
        tied_output=tied_output,
        **dict(zip(names, QWEN_3[size], strict=True)),
    )


def test_published_llama_counts(number) -> None:
    expected = number("llama-01")
    assert count(**LLAMA_2_7B) == expected["params"]
    # the estimate counts a gradient a weight, a mask and two tables of angles in each layer
    numbers = 2 * expected["params"] + 32 * 4096**2 + 32 * 2 * 4096 * 128
    for num_bytes, key in ((4, "calc_memory_gb_fp32"), (2, "bf16")):
        assert numbers * num_bytes / 1024**3 == pytest.approx(expected[key], abs=0.005)


def test_published_counts_untied_and_tied(number) -> None:
    llama, qwen3 = number("llama-03"), number("llama-08")
    assert count(**LLAMA_3_1B, tied_output=False) == llama["params"]
    assert count(**LLAMA_3_1B) == llama["unique"]
    assert qwen("0.6B", tied_output=False) == qwen3["params"]
    assert qwen("0.6B", tied_output=True) == qwen3["unique"]


@pytest.mark.parametrize("size", QWEN_3)
def test_published_qwen_counts(size: str) -> None:
    if size == "0.6B":
        assert qwen(size, tied_output=True) == 596049920
    elif size in QWEN_3_COUNTS:
        assert (qwen(size, tied_output=False), qwen(size, tied_output=True)) == QWEN_3_COUNTS[size]
    else:
        assert qwen(size, tied_output=False) == QWEN_3_UNTIED[size]


def test_published_cache_sizes(number) -> None:
    """32 layers of 32 heads, 32,768 tokens in bfloat16; with four query heads to a key/value head a quarter."""
    expected, sizes = number("gqa-01"), {}
    for num_kv_heads in (32, 8):
        with torch.device("meta"):
            shape = LLAMA_2_7B | {"num_kv_heads": num_kv_heads, "context_length": 32768}
            model = Llama(LlamaConfig(**shape)).to(torch.bfloat16)
        sizes[num_kv_heads] = model.new_cache(1).num_bytes / 1e9
    assert sizes[32] == pytest.approx(expected["mha_gb"], abs=0.005)
    assert sizes[8] == pytest.approx(expected["gqa_gb"], abs=0.006)  # 4.295, printed cut
    assert sizes[32] / sizes[8] == expected["ratio"]
    assert 100 * (1 - sizes[8] / sizes[32]) == expected["savings_pct"]


def test_positions_matter_though_none_are_embedded() -> None:
    model = Llama(LlamaConfig(vocab_size=9, embed_dim=32, num_layers=1), torch.Generator().manual_seed(0)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(1))
    swapped = model(torch.tensor([[1, 2, 3, 4]]))[0, -1], model(torch.tensor([[2, 1, 3, 4]]))[0, -1]
    assert not torch.allclose(*swapped, atol=1e-3)


@pytest.mark.parametrize(
    "scaling",
    [None, {"kind": "linear", "factor": 2.0}, {"kind": "llama3", "factor": 8.0, "original_context_length": 64}],
)
def test_scaled_positions_survive_a_settings_file(tmp_path: Path, scaling: dict[str, object] | None) -> None:
    config = LlamaConfig(vocab_size=9, rope_scaling=scaling, sliding_window=None if scaling else 7)
    (tmp_path / "run.toml").write_text(to_toml({"model": config.model_dump()}))
    assert build(LlamaConfig, read_toml(tmp_path / "run.toml")["model"], "model") == config


def test_a_flag_may_scale_positions() -> None:
    flags = ["--model.rope_scaling", '{kind = "linear", factor = 4}', "--model.vocab_size", "9"]
    config = build(LlamaConfig, flag_layer(flags, ["model"])["model"], "model")
    assert config.rope_scaling == RopeScaling(kind="linear", factor=4.0)


def test_linear_scaling_reads_a_longer_text_with_the_turns_of_a_shorter_one() -> None:
    plain = Llama(LlamaConfig(vocab_size=9, embed_dim=16, num_heads=2, context_length=8))
    longer = LlamaConfig(
        vocab_size=9, embed_dim=16, num_heads=2, context_length=32, rope_scaling={"kind": "linear", "factor": 4.0}
    )
    torch.testing.assert_close(Llama(longer).cosines[::4], plain.cosines)


def test_the_new_settings_are_off_unless_asked_for() -> None:
    config = LlamaConfig(vocab_size=9)
    assert (config.qkv_bias, config.rope_scaling, config.sliding_window) == (False, None, None)
    assert not any("qkv.bias" in name for name in Llama(config).state_dict())
