"""What each choice of positions tells a GPT: permuted texts, longer contexts, and what is stored."""

import math

import pytest
import torch

from hornbook.models.gpt import GPT, GPTConfig

POSITION_COUNTS = {"learned": 16 * 32, "sinusoidal": 0, "rotary": 0, "alibi": 0, "relative": 32 * 4, "none": 0}
CHOICES = list(POSITION_COUNTS)
TEXT, PERMUTED = [3, 1, 4, 2, 5], [4, 3, 2, 1, 5]  # the same tokens before the same last one


def small_gpt(positions: str, num_layers: int = 1, context_length: int = 16, **more: object) -> GPT:
    """A GPT with weights large enough that every part of it matters."""
    sizes = {"vocab_size": 9, "embed_dim": 32, "num_heads": 4}
    config = GPTConfig(positions=positions, num_layers=num_layers, context_length=context_length, **sizes, **more)
    model = GPT(config).eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4, generator=generator)
    return model


def last(model: GPT, tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([tokens]))[0, -1]


def order_matters(model: GPT) -> bool:
    return not torch.allclose(last(model, TEXT), last(model, PERMUTED), atol=1e-3)


@pytest.mark.parametrize("norm", ["before", "after"])
def test_one_layer_without_positions_sees_a_bag_of_tokens(norm: str) -> None:
    model = small_gpt("none", norm=norm)
    assert not order_matters(model)
    assert not torch.allclose(last(model, TEXT), last(model, [3, 1, 4, 4, 5]), atol=1e-3)  # but it sees which ones


@pytest.mark.parametrize("positions", [choice for choice in CHOICES if choice != "none"])
@pytest.mark.parametrize("norm", ["before", "after"])
def test_every_choice_of_positions_sees_their_order(positions: str, norm: str) -> None:
    assert order_matters(small_gpt(positions, norm=norm))


def test_two_layers_without_positions_see_an_order_through_the_mask() -> None:
    """What a token has gathered depends on what stood before it, and the second layer reads that (Haviv et al. 2022)."""
    assert order_matters(small_gpt("none", num_layers=2))


@pytest.mark.parametrize("positions", CHOICES)
def test_only_learned_positions_are_bound_to_a_context(positions: str) -> None:
    short, long = (small_gpt(positions, num_layers=2, context_length=length) for length in (16, 64))
    state = short.state_dict()
    if positions == "learned":
        with pytest.raises(RuntimeError, match=r"size mismatch for position_embedding.weight"):
            long.load_state_dict(state)
        return
    long.load_state_dict(state)
    torch.testing.assert_close(last(long, TEXT), last(short, TEXT))
    assert long(torch.randint(0, 9, (1, 64))).isfinite().all()


@pytest.mark.parametrize(("positions", "expected"), [*POSITION_COUNTS.items()])
def test_what_positions_cost(positions: str, expected: int) -> None:
    without = small_gpt("none", num_layers=3).num_parameters()
    assert small_gpt(positions, num_layers=3).num_parameters() - without == expected


@pytest.mark.parametrize(("positions", "prefix"), [("learned", "position_embedding"), ("relative", "position_bias")])
def test_what_is_learned_is_shared_by_all_layers(positions: str, prefix: str) -> None:
    names = [name for name, _ in small_gpt(positions, num_layers=3).named_parameters() if "position" in name]
    assert len(names) == 1
    assert names[0].startswith(prefix)


def test_alibi_looks_near_and_far_by_head() -> None:
    """With equal scores only the slopes speak: the first head (slope 1/4) forgets fastest."""
    model = small_gpt("alibi", context_length=32)
    torch.nn.init.zeros_(model.blocks[0].attention.qkv.weight)
    torch.nn.init.zeros_(model.blocks[0].attention.qkv.bias)
    row = model.attention_weights(torch.zeros(1, 32, dtype=torch.long))[0][0, :, -1]  # (H, 32)
    distance = (row * torch.arange(31.0, -1.0, -1.0)).sum(dim=-1)
    assert distance.tolist() == sorted(distance.tolist())
    torch.testing.assert_close(row[0, :-1] / row[0, 1:], torch.full((31,), math.exp(-0.25)))
