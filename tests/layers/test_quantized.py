"""Fewer bits a weight: the fast products against the plain form, the rounding against its own rule."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.layers.quantized import (
    GROUP,
    BF16Linear,
    Int4Linear,
    Int8Linear,
    QuantizedEmbedding,
    QuantizedLinear,
    to_int4,
    to_int8,
)

KINDS = (BF16Linear, Int8Linear, Int4Linear)
FAR = {BF16Linear: 0.005, Int8Linear: 0.015, Int4Linear: 0.005}  # of the input's rounding, as a share of the result


def layer(rows: int = 48, columns: int = 64, bias: bool = True) -> nn.Linear:
    torch.manual_seed(3)
    return nn.Linear(columns, rows, bias=bias)


def apart(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 5, 140])
@pytest.mark.parametrize("bias", [True, False])
def test_the_fast_product_is_the_plain_one(kind: type[QuantizedLinear], rows: int, bias: bool) -> None:
    quantized = kind(layer(bias=bias))
    x = torch.randn(rows, 64, generator=torch.Generator().manual_seed(1)) * 3
    assert apart(quantized(x), F.linear(x, quantized.weight, quantized.bias)) < FAR[kind]
    assert quantized(x[None]).shape == (1, rows, 48)
    assert quantized(x).dtype == torch.float32


@pytest.mark.parametrize(("kind", "share"), [(BF16Linear, 0.003), (Int8Linear, 0.01), (Int4Linear, 0.1)])
def test_the_weights_are_near_those_that_were_trained(kind: type[QuantizedLinear], share: float) -> None:
    plain = layer()
    assert 0 < apart(kind(plain).weight, plain.weight.detach()) < share


@torch.no_grad()
@pytest.mark.parametrize("sizes", [(1, 1), (3, 7), (17, 33)])
def test_8_bits_fit_any_size_and_sum_exactly(sizes: tuple[int, int]) -> None:
    quantized = Int8Linear(layer(*sizes, bias=False))
    x = torch.randn(2, sizes[1])
    levels, steps = to_int8(x)
    expected = (levels.long() @ quantized.levels.long().t()) * steps * quantized.scales
    assert torch.allclose(quantized(x), expected, rtol=1e-5)


def test_a_row_of_zeros_stays_one() -> None:
    plain = layer()
    with torch.no_grad():
        plain.weight[2] = 0
    assert not Int8Linear(plain).weight[2].any()
    assert torch.equal(Int8Linear(plain)(torch.zeros(1, 64)), plain.bias.detach()[None])
    assert Int4Linear(plain).weight[2].abs().max() < 1e-6


def test_rounding_by_hand() -> None:
    levels, steps = to_int8(torch.tensor([[-2.0, 1.0, 0.5]]))
    assert (levels.tolist(), steps.item()) == ([[-127, 64, 32]], pytest.approx(2 / 127))
    row = torch.linspace(-7.0, 8.0, 16).repeat(GROUP // 16)[None]
    levels4, steps4, middles = to_int4(row)
    assert levels4[0, :16].tolist() == list(range(16))
    assert (steps4.item(), middles.item()) == (pytest.approx(1.0), pytest.approx(1.0))


def test_no_weight_is_farther_than_half_a_step() -> None:
    weight = layer().weight.detach()
    levels, steps = to_int8(weight)
    assert ((levels * steps - weight).abs() <= steps * 0.501).all()
    levels4, steps4, middles = to_int4(weight)
    back = (levels4.unflatten(-1, (-1, GROUP)) - 8) * steps4[..., None] + middles[..., None]
    assert ((back.flatten(-2) - weight).abs() <= steps4.repeat_interleave(GROUP, -1) * 0.501).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_passes_to_the_input(kind: type[QuantizedLinear]) -> None:
    quantized = kind(layer())
    x = torch.randn(3, 64, requires_grad=True)
    quantized(x).sum().backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, quantized.weight.sum(0).expand(3, 64), atol=1e-5)
    assert not list(quantized.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_back_holds_no_matrix(kind: type[QuantizedLinear]) -> None:
    """Bits are turned into a matrix and forgotten, in float32 and under autocast: else all would be held at once."""
    quantized, held = kind(layer()), []
    x = torch.randn(3, 64, requires_grad=True)

    def remember(tensor: Tensor) -> Tensor:
        held.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        plain = quantized(x * x).sum()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            short = quantized(x * x).sum()
    (plain + short).backward()
    assert x.grad is not None
    wanted = 2 * 2 * x.detach() * quantized.weight.sum(0)
    assert apart(x.grad, wanted) < 0.02
    assert all(size <= x.numel() for size in held)
    assert not quantized.state_dict()


def test_a_table_gives_back_its_rows() -> None:
    table = torch.randn(5, 8)
    ids = torch.tensor([[4, 0], [1, 1]])
    levels, steps = to_int8(table)
    assert torch.allclose(QuantizedEmbedding(levels, steps[:, 0])(ids), (levels * steps)[ids])
    assert torch.equal(QuantizedEmbedding(table.bfloat16())(ids), table.bfloat16().float()[ids])
