"""Muon: its direction is nearly orthogonal, its step has AdamW's size, and the rest of the model gets torch's AdamW."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.optimizers.muon import Muon, orthogonalise


def small_model() -> Llama:
    config = LlamaConfig(vocab_size=13, num_layers=2, num_heads=2, embed_dim=16, hidden_dim=24)
    return Llama(config, torch.Generator().manual_seed(1))


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_singular_values_come_near_one_and_directions_stay(rows: int, columns: int, seed: int, scale: float) -> None:
    matrix = torch.randn(1, rows, columns, generator=torch.Generator().manual_seed(seed)) * scale
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = torch.linalg.svdvals(orthogonalise(matrix, steps=5))
    large = values > 0.02 * matrix.norm()
    assert found.max() < 1.3
    assert found.sort(descending=True).values[large].min() > 0.4
    mapped = left.mT @ orthogonalise(matrix) @ right.mT  # diagonal: the singular vectors are those of the matrix
    assert (mapped - torch.diag_embed(mapped.diagonal(dim1=-2, dim2=-1))).abs().max() < 1e-2


def newton_schulz(matrix: torch.Tensor, steps: int) -> torch.Tensor:
    """The iteration as it is published, on the matrix itself and in double precision."""
    x = matrix.double() / matrix.double().norm()
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.float()


@pytest.mark.parametrize("steps", [1, 5, 6])
@pytest.mark.parametrize(
    ("rows", "columns", "rank"), [(16, 48, 16), (48, 16, 16), (20, 20, 20), (32, 32, 2), (24, 72, 1)]
)
def test_equals_the_published_iteration_also_at_low_rank(rows: int, columns: int, rank: int, steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(rows, rank, generator=generator) @ torch.randn(rank, columns, generator=generator)
    torch.testing.assert_close(orthogonalise(matrix[None], steps)[0], newton_schulz(matrix, steps), atol=2e-3, rtol=0)


def test_a_batch_is_its_matrices_one_by_one() -> None:
    matrices = torch.randn(3, 6, 10)
    torch.testing.assert_close(orthogonalise(matrices), torch.cat([orthogonalise(each[None]) for each in matrices]))


def test_zero_stays_zero() -> None:
    assert torch.equal(orthogonalise(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


def test_hidden_matrices_go_to_muon_and_all_else_to_adamw() -> None:
    muon, embeddings, vectors = (
        Muon(adamw_learning_rate=0.5, learning_rate=0.25).build(small_model().named_parameters()).param_groups
    )
    assert muon["orthogonal"]
    assert all(name.startswith("blocks.") and "norm" not in name for name in muon["param_names"])
    assert len(muon["param_names"]) == 2 * 5
    assert embeddings["param_names"] == ["token_embedding.weight"]
    assert all("norm" in name for name in vectors["param_names"])
    assert [group["base_lr"] for group in (muon, embeddings, vectors)] == [0.25, 0.5, 0.5]


def test_compiled_names_are_recognised() -> None:
    named = [(f"_orig_mod.{name}", parameter) for name, parameter in small_model().named_parameters()]
    assert len(Muon().build(named).param_groups[0]["params"]) == 10


def test_one_rate_serves_both_halves() -> None:
    assert Muon(learning_rate=0.01).adamw_learning_rate == 0.01


@pytest.mark.parametrize("shape", [(32, 32), (32, 96), (96, 32)])
def test_a_step_has_the_size_of_adamw(shape: tuple[int, int]) -> None:
    """Root mean square about 0.2 x lr, whatever the shape and the gradient's scale (Liu et al. 2025)."""
    parameter = nn.Parameter(torch.zeros(shape))
    optimizer = Muon(learning_rate=0.1, weight_decay=0.0).build([("blocks.0.weight", parameter)])
    parameter.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    optimizer.step()
    assert parameter.detach().square().mean().sqrt().item() == pytest.approx(0.1 * 0.2, rel=0.2)


def test_the_adamw_half_is_torchs() -> None:
    ours, theirs = small_model(), small_model()
    settings = {"learning_rate": 0.01, "weight_decay": 0.3}
    optimizers = Muon(**settings).build(ours.named_parameters()), AdamW(**settings).build(theirs.named_parameters())
    generator = torch.Generator().manual_seed(2)
    for _ in range(5):
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if mine.dim() == 1 or "embedding" in name:
            torch.testing.assert_close(mine, other, msg=name)


def test_closure_is_called_and_its_loss_returned() -> None:
    parameter = nn.Parameter(torch.ones(2))

    def closure() -> float:
        parameter.grad = None
        loss = parameter.square().sum()
        loss.backward()
        return loss.item()

    assert Muon().build([("w", parameter)]).step(closure) == 2.0
    assert (parameter < 1).all()


def test_two_steps_written_out() -> None:
    """Jordan's momentum in Nesterov's form, then Moonlight's size and decay."""
    generator = torch.Generator().manual_seed(3)
    weight, gradients = torch.randn(6, 10, generator=generator), torch.randn(2, 6, 10, generator=generator)
    parameter, momentum = nn.Parameter(weight.clone()), torch.zeros(6, 10)
    optimizer = Muon(learning_rate=0.1, weight_decay=0.5, momentum=0.9).build([("blocks.0.weight", parameter)])
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        direction = newton_schulz(0.1 * gradient + 0.9 * momentum, 5)
        weight = weight * (1 - 0.1 * 0.5) - 0.1 * 0.2 * 10**0.5 * direction
        torch.testing.assert_close(parameter.detach(), weight, atol=1e-4, rtol=0)
        assert torch.equal(parameter.grad, gradient)


def test_lying_and_standing_matrices_step_as_each_would_alone() -> None:
    """They share one batch of products; a square one is its own."""
    draw = torch.Generator().manual_seed(5)
    shapes = ((8, 3), (3, 8), (8, 3), (5, 5))
    start = [torch.randn(shape, generator=draw) for shape in shapes]
    gradients = [torch.randn(shape, generator=draw) for shape in shapes]

    def stepped(places: list[int]) -> list[torch.Tensor]:
        named = [(f"blocks.{place}.weight", nn.Parameter(start[place].clone())) for place in places]
        optimizer = Muon(learning_rate=0.1).build(named)
        for (_, parameter), place in zip(named, places, strict=True):
            parameter.grad = gradients[place].clone()
        optimizer.step()
        return [parameter.detach() for _, parameter in named]

    together = stepped([0, 1, 2, 3])
    torch.testing.assert_close(together, [stepped([place])[0] for place in range(4)])
    assert all(not torch.equal(after, before) for after, before in zip(together, start, strict=True))
