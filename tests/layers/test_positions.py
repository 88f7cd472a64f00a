"""Positions against published numbers, the formula in complex numbers, and what a rotation keeps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.layers.positions import rotary_tables, rotate, sinusoidal_table


def test_rotation_is_a_product_of_complex_numbers() -> None:
    heads = torch.randn(2, 3, 50, 16, generator=torch.Generator().manual_seed(0))
    pairs = torch.complex(heads[..., :8].double(), heads[..., 8:].double())
    angles = torch.arange(50.0).double()[:, None] / 10000.0 ** (torch.arange(8.0).double() / 8)
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    expected = torch.cat([turned.real, turned.imag], dim=-1).float()
    torch.testing.assert_close(rotate(heads, *rotary_tables(16, 50, 10000.0)), expected, atol=1e-5, rtol=0)


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 400), second=st.integers(0, 400), shift=st.integers(0, 100))
def test_products_depend_on_the_distance_alone(first: int, second: int, shift: int) -> None:
    cosines, sines = rotary_tables(8, 501, 10000.0)
    query, key = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(1))

    def product(query_place: int, key_place: int) -> torch.Tensor:
        at = slice(query_place, query_place + 1), slice(key_place, key_place + 1)
        return (rotate(query, cosines[at[0]], sines[at[0]]) * rotate(key, cosines[at[1]], sines[at[1]])).sum()

    torch.testing.assert_close(product(first, second), product(first + shift, second + shift), atol=1e-3, rtol=0)


def test_rotation_keeps_lengths_and_leaves_position_zero() -> None:
    heads = torch.randn(1, 2, 30, 6)
    turned = rotate(heads, *rotary_tables(6, 30, 500.0))
    torch.testing.assert_close(turned.norm(dim=-1), heads.norm(dim=-1))
    assert torch.equal(turned[:, :, 0], heads[:, :, 0])


def test_tables_are_real_even_for_a_model_without_weights() -> None:
    with torch.device("meta"):
        assert not any(table.is_meta for table in (*rotary_tables(4, 4, 1e4), sinusoidal_table(4, 4)))


@pytest.mark.parametrize("strided", [False, True])
def test_the_gradient_of_a_turn_is_that_of_torch(strided: bool) -> None:
    """The turn is linear: <turn(a), b> = <a, gradient(b)>, and autograd through the formula finds the same."""
    draw = torch.Generator().manual_seed(2)
    heads, gradient = torch.randn(2, 3, 5, 8, generator=draw), torch.randn(2, 3, 5, 8, generator=draw)
    if strided:  # as queries are that were cut out of one projection
        heads = heads.transpose(1, 2).contiguous().transpose(1, 2)
    tables = rotary_tables(8, 5, 100.0)
    read, again = heads.clone().requires_grad_(), heads.clone().requires_grad_()
    turned = rotate(read, *tables)
    turned.backward(gradient)
    (again * tables[0] + torch.cat([again[..., 4:], again[..., :4]], -1) * tables[1]).backward(gradient)
    torch.testing.assert_close(read.grad, again.grad)
    torch.testing.assert_close((turned * gradient).sum(), (heads * read.grad).sum())
