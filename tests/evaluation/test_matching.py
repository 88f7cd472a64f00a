"""Exact match, F1 and ROUGE-L against the published programs, where they are installed, and by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluation._matching import best, exact_match, longest_common, normalised, rouge_l, word_f1

PAIRS = [
    ("The kite, in a  tree.", "kite in tree"),
    ("in the mill", "at the old mill"),
    ("", ""),
    ("the", ""),
    ("no", "yes"),
    ("Nora and Tom and Nora", "Nora and Nora"),
    ("police killed the gunman", "the gunman killed police"),
    ("a-b c_d 12.5%", "A B c d 12 5"),
    ("It's Tom's!", "its toms"),
]
words = st.lists(st.sampled_from(["the", "Tom", "mill,", "at", "an", "old", "mill", "x-y", "."]), max_size=8).map(
    " ".join
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("The Kite, in a  tree.", "kite in tree"),
        ("An apple a day", "apple day"),
        ("the", ""),
        ("theme, another", "theme another"),
        ("Größe: 5 €", "größe 5 €"),
    ],
)
def test_what_squad_compares(text: str, kept: str) -> None:
    assert normalised(text) == kept


def test_by_hand() -> None:
    assert word_f1("in the mill", "at the old mill") == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))
    assert word_f1("Nora", "Nora!") == exact_match("Nora", "Nora!") == 1
    assert (word_f1("", ""), word_f1("", "x"), word_f1("the", "a")) == (1, 0, 1)
    assert longest_common(["a", "b", "c", "d"], ["b", "x", "d"]) == 2
    # Lin 2004, the example in section 3.1
    assert rouge_l("police kill the gunman", "police killed the gunman") == 0.75
    assert rouge_l("the gunman kill police", "police killed the gunman") == 0.5
    assert rouge_l("Größe", "größe") == 1
    assert best(word_f1, "Tom", ["Nora", "Tom", "he"]) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_squads_own_script_says_the_same() -> None:
    squad = pytest.importorskip("lm_eval.tasks.qasper.metrics", reason="needs the extra `eval`")
    for answer, right in PAIRS:
        assert normalised(answer) == squad.normalize_answer(answer)
        if normalised(answer) and normalised(right):
            assert word_f1(answer, right) == pytest.approx(squad.f1_abstractive([answer], [right]))


@pytest.mark.slow
def test_rouge_score_says_the_same() -> None:
    rouge = pytest.importorskip("rouge_score.rouge_scorer", reason="needs rouge-score, which the extra `eval` brings")
    scorer = rouge.RougeScorer(["rougeL"], use_stemmer=False)

    @given(words, words)
    def same(answer: str, right: str) -> None:
        assert rouge_l(answer, right) == pytest.approx(scorer.score(right, answer)["rougeL"].fmeasure)

    same()
    for answer, right in PAIRS:
        assert rouge_l(answer, right) == pytest.approx(scorer.score(right, answer)["rougeL"].fmeasure)


@given(words, words)
def test_likeness_goes_both_ways_and_from_0_to_1(first: str, second: str) -> None:
    for likeness in (exact_match, word_f1, rouge_l):
        assert likeness(first, second) == likeness(second, first)
        assert 0 <= likeness(first, second) <= 1
    assert word_f1(first, second) >= exact_match(first, second)
