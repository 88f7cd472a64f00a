"""Each rule on the cases its docstring promises, and on what it must leave alone."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.text import rules
from hornbook.text.rules import Rule

CASES: list[tuple[Rule, str, str]] = [
    (rules.line_endings, "one\r\ntwo\rthree\ffour\u2028five", "one\ntwo\nthree\nfour\nfive"),
    (rules.nfc, "cafe\u0301", "café"),
    (rules.control_characters, "a\x00b\ufeff\x7f\x85\tc\n\ufffe", "ab\tc\n"),
    (rules.control_characters, "👩‍🚀 «é»", "👩‍🚀 «é»"),
    (rules.trailing_spaces, "one  \n  two\t\xa0\nthree ", "one\n  two\nthree"),
    (rules.blank_lines, "a\n\n\n\nb\n\nc", "a\n\nb\n\nc"),
    (rules.blank_lines, "\n \n", ""),
    (rules.footnote_marks, "the truth[4] although [12] it[*], is.[†]\n[3] See", "the truth although it, is.\nSee"),
    (rules.footnote_marks, "the end.² x² a[i] [sic] [1999]", "the end. x² a[i] [sic] [1999]"),
    (rules.page_numbers, "and\n- 12 -\nthen\n  7\nPage 8\n[Pg 9]\n{10}\nend", "and\nthen\nend"),
    (rules.page_numbers, "in 1999\n7 men\n12,000\nXII\n", "in 1999\n7 men\n12,000\nXII\n"),
    (rules.lower, "April ΑΣ", "april ας"),
    (rules.one_line, "one\ntwo\tthree\r", "one two three "),
    (rules.single_spaces, "a   b c", "a b c"),
    (rules.letters_only, "April, 26!", "pril !"),
    (rules.digit_words, "in A.D. 121. His\n  free  of\n2nd", "in A.D. His\n  free  of\n"),
]


@pytest.mark.parametrize(("rule", "before", "after"), CASES)
def test_a_rule_does_what_it_says(rule: Rule, before: str, after: str) -> None:
    assert rule(before) == after


def test_every_rule_has_a_worked_example() -> None:
    for rule, _, _ in CASES:
        examples = re.findall(r"('[^']*'(?: \+ U\+0301)?) -> ('[^']*')", rule.__doc__ or "")
        assert examples, rule.__name__
        for before, after in examples:
            before = before.replace("' + U+0301", "\\u0301'")
            assert rule(unquoted(before)) == unquoted(after), rule.__name__


def unquoted(literal: str) -> str:
    """The text between the quotes of a docstring's example, its escapes read: "'a\\n'" -> 'a', line end."""
    named = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\x00": "\x00", "\\ufeff": "\ufeff", "\\u0301": "\u0301"}
    return re.sub(r"\\(?:[nrt]|x..|u....)", lambda escape: named[escape[0]], literal[1:-1])


@given(st.text())
def test_control_characters_are_those_of_unicode(text: str) -> None:
    cleaned = rules.control_characters(text)
    expected = [c for c in text if unicodedata.category(c) != "Cc" or c in "\t\n\r"]
    assert cleaned == "".join(c for c in expected if c not in "\ufeff\ufff9\ufffa\ufffb\ufffe\uffff")


@given(st.text("a1 2\n\t.²"))
def test_no_digit_words_are_left_and_no_others_dropped(text: str) -> None:
    kept = [word for word in text.split() if not any(c.isdecimal() for c in word)]
    assert rules.digit_words(text).split() == kept


def test_misleading_words_are_the_short_ones() -> None:
    assert rules.misleading_words("It is the 2nd page[1] of all") == ["2nd", "all", "is", "it", "of", "the"]
