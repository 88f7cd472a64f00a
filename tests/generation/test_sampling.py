"""Sampling: settings out of range, the book's numbers, and properties against direct definitions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.generation.sampling import Sampling, choose, keep_top_k, keep_top_p, probabilities

# The book's example: what follows "every effort moves you".
WORDS = ["closer", "every", "effort", "forward", "inches", "moves", "pizza", "toward", "you"]
LOGITS = torch.tensor([4.51, 0.89, -1.90, 6.75, 1.63, -1.62, -1.89, 6.28, 1.79])

rows_of_logits = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=12).map(torch.tensor)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_k", 0),
        ("top_k", -3),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_p", math.nan),
    ],
)
def test_settings_out_of_range_are_errors_that_name_the_value(setting: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"{setting} '{value:g}'"):
        Sampling(**{setting: value})


def test_greedy_is_the_likeliest() -> None:
    assert WORDS[int(choose(LOGITS, Sampling(temperature=0)))] == "forward"


def test_one_draw_with_the_books_seed() -> None:
    generator = torch.Generator().manual_seed(123)
    assert WORDS[int(choose(LOGITS, Sampling(temperature=1, top_k=None), generator))] == "forward"


@pytest.mark.parametrize(
    ("temperature", "counts"),
    [
        (1, [73, 0, 0, 582, 2, 0, 0, 343, 0]),
        (0.1, [0, 0, 0, 985, 0, 0, 0, 15, 0]),
        (5, [165, 75, 42, 239, 71, 46, 32, 227, 103]),
    ],
)
def test_a_thousand_draws_with_the_books_seed(temperature: float, counts: list[int]) -> None:
    sampling, generator = Sampling(temperature=temperature, top_k=None), torch.Generator().manual_seed(123)
    drawn = torch.stack([choose(LOGITS, sampling, generator) for _ in range(1000)])
    assert torch.bincount(drawn, minlength=9).tolist() == counts


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (1, [0.0609, 0.0016, 0.0001, 0.5721, 0.0034, 0.0001, 0.0001, 0.3576, 0.0040]),
        (5, [0.1546, 0.0750, 0.0429, 0.2421, 0.0869, 0.0454, 0.0430, 0.2203, 0.0898]),
    ],
)
def test_the_books_probabilities(temperature: float, expected: list[float]) -> None:
    found = probabilities(LOGITS, Sampling(temperature=temperature, top_k=None))
    assert found.tolist() == pytest.approx(expected, abs=5e-5)


def test_a_low_temperature_leaves_one_word() -> None:
    found = probabilities(LOGITS, Sampling(temperature=0.1, top_k=None))
    assert found[WORDS.index("forward")] == pytest.approx(0.991, abs=5e-4)


def test_top_k_of_the_book() -> None:
    kept = keep_top_k(LOGITS, 3)
    assert [word for word, logit in zip(WORDS, kept.tolist(), strict=True) if logit > -math.inf] == [
        "closer",
        "forward",
        "toward",
    ]


def test_top_k_keeps_every_tie() -> None:
    assert keep_top_k(torch.tensor([1.0, 2.0, 2.0, 0.0]), 1).tolist() == [-math.inf, 2.0, 2.0, -math.inf]


def test_top_k_comes_before_temperature_and_top_p_after() -> None:
    sampling = Sampling(temperature=5, top_k=3, top_p=0.5)
    likeliest_three = LOGITS[[3, 7, 0]]
    tempered = (likeliest_three / 5).softmax(0)  # 0.392, 0.357, 0.250: the first two reach 0.5
    expected = torch.zeros(9)
    expected[[3, 7]] = tempered[:2] / tempered[:2].sum()
    assert torch.allclose(probabilities(LOGITS, sampling), expected)


def test_a_tiny_temperature_does_not_overflow() -> None:
    found = probabilities(LOGITS * 100, Sampling(temperature=1e-30))
    assert found.tolist() == probabilities(LOGITS, Sampling(temperature=0)).tolist()


@given(rows_of_logits, st.floats(0.01, 10), st.none() | st.integers(1, 15), st.none() | st.floats(0.01, 1))
def test_probabilities_sum_to_one_and_keep_the_likeliest(
    logits: torch.Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    found = probabilities(logits, Sampling(temperature=temperature, top_k=top_k, top_p=top_p))
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    assert float(found.max()) == pytest.approx(float(found[logits.argmax()]), rel=1e-5)


@given(rows_of_logits)
def test_softmax_does_not_change_the_likeliest(logits: torch.Tensor) -> None:
    scaled = logits.double()  # in float32 the softmax of near logits may tie
    assert scaled[scaled.softmax(-1).argmax()] == pytest.approx(float(scaled.max()), abs=1e-12)


@given(rows_of_logits, st.floats(0.01, 0.999))
def test_top_p_keeps_the_fewest_that_reach_p(logits: torch.Tensor, p: float) -> None:
    kept = (keep_top_p(logits, p) > -math.inf).nonzero().flatten().tolist()
    shares = logits.softmax(-1)
    inside = sorted((float(shares[place]) for place in kept), reverse=True)
    assert sum(inside) >= p - 1e-5
    assert sum(inside[:-1]) < p + 1e-5
    assert min(inside) >= max((float(shares[n]) for n in range(len(logits)) if n not in kept), default=0)


def test_top_k_and_top_p_agree_with_transformers() -> None:
    process = pytest.importorskip("transformers.generation.logits_process")
    logits = torch.randn(50, 40, generator=torch.Generator().manual_seed(1))
    ids = torch.zeros(50, 1, dtype=torch.int64)
    assert torch.equal(keep_top_k(logits, 7), process.TopKLogitsWarper(7)(ids, logits))
    assert torch.equal(keep_top_p(logits, 0.8), process.TopPLogitsWarper(0.8)(ids, logits))


def test_rows_are_drawn_apart() -> None:
    drawn = choose(LOGITS.expand(500, -1), Sampling(temperature=1), torch.Generator().manual_seed(1))
    assert drawn.shape == (500,)
    assert len(set(drawn.tolist())) > 2
