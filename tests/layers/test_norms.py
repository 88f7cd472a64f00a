"""Norms against torch's. (Published numbers: test_numbers.py.)"""

import pytest
import torch
from torch import nn

from hornbook.layers.norms import LayerNorm, RMSNorm


def test_equal_to_torch() -> None:
    x = torch.randn(3, 4, 10, generator=torch.Generator().manual_seed(0)) * 5 + 2
    for ours, theirs in ((LayerNorm(10), nn.LayerNorm(10)), (LayerNorm(10, bias=False), nn.LayerNorm(10, bias=False))):
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(RMSNorm(10)(x), nn.RMSNorm(10, eps=1e-6)(x))
    torch.testing.assert_close(RMSNorm(10)(x).square().mean(-1), torch.ones(3, 4), atol=1e-4, rtol=0)


def test_without_bias_there_is_no_parameter() -> None:
    assert [name for name, _ in LayerNorm(4, bias=False).named_parameters()] == ["weight"]


def test_means_are_zero_up_to_rounding() -> None:
    """In floating point a mean of 0 is rarely exactly 0; printed without the scientific form it looks like it."""
    x = torch.randn(100, 768, generator=torch.Generator().manual_seed(0))
    means, exact = LayerNorm(768)(x).mean(-1).detach(), LayerNorm(768).double()(x.double()).mean(-1)
    assert 0 < means.abs().max() < 1e-6
    assert means.count_nonzero() > 50
    assert exact.abs().max() < 1e-3 * means.abs().max()
    assert "e-0" in str(means[means.abs().argmax()])
    torch.set_printoptions(sci_mode=False)
    try:
        assert str(means[means.abs().argmax()].abs()) == "tensor(0.0000)"
    finally:
        torch.set_printoptions(profile="default")


@pytest.mark.parametrize("shape", [(7, 12), (2, 3, 5, 12)])
def test_the_gradient_written_out_is_that_of_torch(shape: tuple[int, ...]) -> None:
    draw = torch.Generator().manual_seed(1)
    x, gradient, weight = (torch.randn(size, generator=draw) for size in (shape, shape, (12,)))
    x[0] *= 1e-3  # so small that eps counts
    found = []
    for norm in (RMSNorm(12), nn.RMSNorm(12, eps=1e-6)):
        norm.weight.data.copy_(weight)
        read = x.clone().requires_grad_()
        norm(read).backward(gradient)
        found.append((read.grad, norm.weight.grad))
    torch.testing.assert_close(found[0], found[1])
    assert found[0][0].abs().min() > 0


def test_a_narrower_type_stays_narrow() -> None:
    """Under autocast x may be bfloat16; the weight is not, and torch's own norm is asked."""
    x = torch.randn(4, 12).to(torch.bfloat16).requires_grad_()
    assert RMSNorm(12)(x).dtype == torch.bfloat16
    with torch.no_grad():
        torch.testing.assert_close(RMSNorm(12)(x).float(), nn.RMSNorm(12, eps=1e-6)(x.float()), atol=0.02, rtol=0.01)
