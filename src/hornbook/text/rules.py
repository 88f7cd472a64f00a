"""Cleaning rules: pure functions text -> text, each one idea, each safe to apply to a piece of a longer text.

A rule returns the very same string where it has nothing to do, so that unchanged text costs no more than the check.
"""

import re
import unicodedata
from collections.abc import Callable

Rule = Callable[[str], str]

DIPLOMA_ALPHABET = " .!?abcdefghijklmnopqrstuvwxyz"  # the 30 characters of the diploma project's letter model

OTHER_LINE_ENDS = "\r\v\f\u2028\u2029"
LINE_ENDS = re.compile(f"\r\n|[{OTHER_LINE_ENDS}]")
ASCII_CONTROLS = bytes(code for code in (*range(0x20), 0x7F) if code not in b"\t\n\r")
OTHER_CONTROLS = re.compile("[\x80-\x9f\ufeff\ufff9-\ufffb\ufffe\uffff]")
FOOTNOTE_MARKS = re.compile(r"\[(?:\d{1,3}|[*†‡§]{1,3})\]([ \t]?)")
RAISED_DIGITS = re.compile("[⁰¹²³⁴-⁹]+")
PAGE_NUMBERS = re.compile(
    r"^[ \t]*(?:\d{1,4}|\{\d{1,4}\}|\[?(?:page|pg\.?|p\.)[ \t]*\d{1,4}\]?|[-–—]+[ \t]*\d{1,4}[ \t]*[-–—]+)"
    r"[ \t]*(?:\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
SPACES = re.compile(" {2,}")
WHITE_SPACE = re.compile(r"[^\S ]")  # all but the plain space
DIGIT = re.compile(r"\d")


def line_endings(text: str) -> str:
    r"""Every kind of line end becomes \n: 'one\r\ntwo\rthree' -> 'one\ntwo\nthree'. A page break is a line end too."""
    return LINE_ENDS.sub("\n", text) if any(end in text for end in OTHER_LINE_ENDS) else text


def nfc(text: str) -> str:
    """One code point for an accented letter where there is one (Unicode form NFC): 'e' + U+0301 -> 'é'."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def control_characters(text: str) -> str:
    r"""Drop what can't be seen, except tabs and line ends (Unicode Cc, byte-order marks): 'a\x00b\ufeff' -> 'ab'."""
    data = text.encode()
    kept = data.translate(None, ASCII_CONTROLS)  # ten times as fast as a pattern; in UTF-8 these bytes are nothing else
    text = text if len(kept) == len(data) else kept.decode()
    has_others = b"\xc2" in kept or b"\xef" in kept  # the first UTF-8 bytes of U+0080 to U+00BF and of U+F000 to U+FFFF
    return OTHER_CONTROLS.sub("", text) if has_others else text


def trailing_spaces(text: str) -> str:
    r"""Drop white space at line ends: 'one  \ntwo\t' -> 'one\ntwo'."""
    return "\n".join([line.rstrip() for line in text.split("\n")])


def blank_lines(text: str) -> str:
    r"""At most one blank line in a row, and none alone: 'a\n\n\n\nb' -> 'a\n\nb', '\n\n' -> ''."""
    if not text or text.isspace():
        return ""
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")  # a run shrinks by a third each time
    return text


def footnote_marks(text: str) -> str:
    """Drop numbers and daggers in square brackets: 'the truth[4] although' -> 'the truth although'.

    Also small raised numbers after punctuation: 'the end.²' -> 'the end.', but 'x²' stays.
    """
    text = FOOTNOTE_MARKS.sub(_mark_removed, text) if "[" in text else text
    return text if text.isascii() else RAISED_DIGITS.sub(_raised_removed, text)


def _mark_removed(mark: re.Match[str]) -> str:
    """The space after a mark goes with it where another space or the line's beginning comes before."""
    before = mark.string[mark.start() - 1 : mark.start()]
    return "" if not before or before.isspace() else mark[1]


def _raised_removed(digits: re.Match[str]) -> str:
    before = digits.string[digits.start() - 1 : digits.start()]
    return "" if before and before in ".,;:!?\"'”’" else digits[0]


def page_numbers(text: str) -> str:
    r"""Drop lines that hold only a page number: 'and\n- 12 -\nthen' -> 'and\nthen'.

    Also '12', 'Page 12', '[Pg 12]', '{12}'. A bare number may be a chapter's; that is why only `book` has this rule.
    """
    return PAGE_NUMBERS.sub("", text)


def lower(text: str) -> str:
    """Lower case: 'April' -> 'april'."""
    return text.lower()


def one_line(text: str) -> str:
    r"""Line ends and tabs become spaces, so that dropping them later doesn't glue words: 'one\ntwo' -> 'one two'."""
    return WHITE_SPACE.sub(" ", text)


def single_spaces(text: str) -> str:
    """Runs of spaces become one: 'a   b' -> 'a b'."""
    return SPACES.sub(" ", text)


def letters_only(text: str, alphabet: str = DIPLOMA_ALPHABET) -> str:
    """Drop every character outside the alphabet: 'April, 26!' -> 'pril !' (lower the case first to keep the A)."""
    return re.sub(f"[^{re.escape(alphabet)}]+", "", text)


def digit_words(text: str) -> str:
    """Drop the words that hold a digit: 'in A.D. 121. His' -> 'in A.D. His'. Other lines keep their spacing."""
    if not DIGIT.search(text):
        return text
    return "\n".join([_without_digit_words(line) if DIGIT.search(line) else line for line in text.split("\n")])


def _without_digit_words(line: str) -> str:
    return " ".join([word for word in line.split() if not DIGIT.search(word)])


def misleading_words(text: str, shorter_than: int = 4) -> list[str]:
    """The diploma project's list of words that may mislead a word model: the short ones, sorted, each once.

    >>> misleading_words("It is the 2nd page[1] of all")
    ['2nd', 'all', 'is', 'it', 'of', 'the']
    """
    return sorted({word for word in text.lower().split() if len(word) < shorter_than})
