"""Sampling: settings out of range, the book's numbers, and properties against direct definitions."""

import ast
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.generation.sampling import (
    Sampling,
    choose,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalise_repetition,
    probabilities,
)

Number = Callable[[str], Any]

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
        ("min_p", -0.1),
        ("min_p", 1.5),
        ("min_p", math.nan),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", -1.0),
        ("repetition_penalty", 2000.0),
        ("repetition_penalty", math.inf),
        ("repetition_penalty", math.nan),
    ],
)
def test_settings_out_of_range_are_errors_that_name_the_value(setting: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"{setting} '{value:g}'"):
        Sampling(**{setting: value})


def test_greedy_is_the_likeliest(number: Number) -> None:
    assert WORDS[int(choose(LOGITS, Sampling(temperature=0)))] == number("samp-01")["argmax"]


def test_one_draw_with_the_books_seed(number: Number) -> None:
    generator = torch.Generator().manual_seed(123)
    drawn = int(choose(LOGITS, Sampling(temperature=1, top_k=None), generator))
    assert WORDS[drawn] == number("samp-01")["multinomial"]


@pytest.mark.parametrize(("temperature", "name"), [(1, "T1"), (0.1, "T0_1"), (5, "T5")])
def test_a_thousand_draws_with_the_books_seed(number: Number, temperature: float, name: str) -> None:
    sampling, generator = Sampling(temperature=temperature, top_k=None), torch.Generator().manual_seed(123)
    drawn = torch.stack([choose(LOGITS, sampling, generator) for _ in range(1000)])
    assert torch.bincount(drawn, minlength=9).tolist() == number("samp-02")[name]


@pytest.mark.parametrize("temperature", [1, 5])
def test_the_books_probabilities(number: Number, temperature: float) -> None:
    found = probabilities(LOGITS, Sampling(temperature=temperature, top_k=None))
    assert found.tolist() == pytest.approx(number("samp-02")[f"probs_T{temperature}"], abs=5e-5)


def test_a_low_temperature_leaves_one_word_and_a_high_one_lets_pizza_in(number: Number) -> None:
    low = probabilities(LOGITS, Sampling(temperature=0.1, top_k=None))
    assert low[WORDS.index("forward")] == pytest.approx(number("samp-02")["probs_T0_1_forward"], abs=5e-4)
    high = probabilities(LOGITS, Sampling(temperature=5, top_k=None))
    assert high[WORDS.index("pizza")] == pytest.approx(number("samp-04"), abs=5e-4)


def test_the_books_rules(number: Number) -> None:
    """Its defaults are one greedy sampling; a temperature of 0 or a top_k of 1 leaves nothing to chance."""
    defaults = dict(part.split("=") for part in number("samp-06").removeprefix("defaults: ").split(", "))
    assert defaults.pop("eos_id") == "None"  # here a tokenizer says what ends a text
    greedy = Sampling.model_validate({name: ast.literal_eval(value) for name, value in defaults.items()})
    assert greedy.greedy
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        only = choose(LOGITS, Sampling(temperature=5, top_k=1), generator)
        assert only == choose(LOGITS, greedy, generator) == LOGITS.argmax()


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


@given(
    logits=rows_of_logits,
    temperature=st.floats(0.01, 10),
    top_k=st.none() | st.integers(1, 15),
    top_p=st.none() | st.floats(0.01, 1),
    min_p=st.none() | st.floats(0, 1),
)
def test_probabilities_sum_to_one_and_keep_the_likeliest(logits: torch.Tensor, **settings: Any) -> None:
    found = probabilities(logits, Sampling(**settings))
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


@given(rows_of_logits, st.floats(0, 1))
def test_min_p_keeps_what_its_definition_says(logits: torch.Tensor, p: float) -> None:
    kept = keep_min_p(logits, p) > -math.inf
    shares = logits.softmax(-1)
    assert kept.tolist() == [share >= p * shares.max() for share in shares]
    assert kept[logits.argmax()]


def test_min_p_of_the_books_words() -> None:
    kept = keep_min_p(LOGITS, 0.1)  # 57.2 % for forward: what has 5.7 % or more may be drawn
    assert [word for word, logit in zip(WORDS, kept.tolist(), strict=True) if logit > -math.inf] == [
        "closer",
        "forward",
        "toward",
    ]


def test_min_p_measures_the_tempered_distribution() -> None:
    flat = probabilities(LOGITS, Sampling(temperature=5, top_k=None, min_p=0.5))
    shares = (LOGITS / 5).softmax(0)
    assert (flat > 0).tolist() == (shares >= 0.5 * shares.max()).tolist()
    assert int((flat > 0).sum()) == 3 > int((keep_min_p(LOGITS, 0.5) > -math.inf).sum())


def test_a_repeated_token_is_penalised_once_whatever_its_sign() -> None:
    logits = torch.tensor([3.0, -2.0, 1.0, 0.0])
    assert penalise_repetition(logits, [0, 1, 0, 3], 2).tolist() == [1.5, -4.0, 1.0, 0.0]
    assert penalise_repetition(logits, [2], 0.5).tolist() == [3.0, -2.0, 2.0, 0.0]  # below 1 it asks for repetition


def test_without_a_penalty_nothing_is_computed() -> None:
    assert penalise_repetition(LOGITS, [1, 2], 1) is LOGITS
    assert penalise_repetition(LOGITS, [], 2) is LOGITS


def test_greedy_avoids_what_was_said() -> None:
    sampling, said = Sampling(temperature=0, repetition_penalty=1.2), [WORDS.index("forward")]
    assert WORDS[int(choose(LOGITS, sampling))] == "forward"
    assert WORDS[int(choose(LOGITS, sampling, previous=said))] == "toward"
    assert probabilities(LOGITS, sampling, said)[WORDS.index("toward")] == 1


LOGITS_50 = torch.randn(50, 40, generator=torch.Generator().manual_seed(1))
SEEN = torch.randint(0, 40, (50, 6), generator=torch.Generator().manual_seed(2))


def test_each_filter_agrees_with_transformers() -> None:
    process = pytest.importorskip("transformers.generation.logits_process")
    pairs = [
        (keep_top_k(LOGITS_50, 7), process.TopKLogitsWarper(7)),
        (keep_top_p(LOGITS_50, 0.8), process.TopPLogitsWarper(0.8)),
        (keep_min_p(LOGITS_50, 0.2), process.MinPLogitsWarper(0.2)),
        (penalise_repetition(LOGITS_50, SEEN, 1.3), process.RepetitionPenaltyLogitsProcessor(1.3)),
        (penalise_repetition(LOGITS_50, SEEN, 0.7), process.RepetitionPenaltyLogitsProcessor(0.7)),
    ]
    for ours, theirs in pairs:
        assert torch.equal(ours, theirs(SEEN, LOGITS_50.clone()))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize(("top_k", "top_p", "min_p"), [(9, 0.7, 0.3), (9, None, 0.2), (None, 0.7, 0.3), (5, 0.9, None)])
def test_all_filters_in_our_order_agree_with_transformers(
    temperature: float, top_k: int | None, top_p: float | None, min_p: float | None
) -> None:
    process = pytest.importorskip("transformers.generation.logits_process")
    chain = [process.RepetitionPenaltyLogitsProcessor(1.5)]
    chain += [process.TopKLogitsWarper(top_k)] if top_k else []
    chain += [process.TemperatureLogitsWarper(temperature)]
    chain += [process.TopPLogitsWarper(top_p)] if top_p else []
    chain += [process.MinPLogitsWarper(min_p)] if min_p else []
    expected = LOGITS_50.clone()
    for step in chain:
        expected = step(SEEN, expected)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=1.5)
    found = probabilities(LOGITS_50, sampling, SEEN)
    assert torch.equal(found > 0, expected > -math.inf)
    torch.testing.assert_close(found, expected.softmax(-1))


def test_rows_are_drawn_apart() -> None:
    drawn = choose(LOGITS.expand(500, -1), Sampling(temperature=1), torch.Generator().manual_seed(1))
    assert drawn.shape == (500,)
    assert len(set(drawn.tolist())) > 2
