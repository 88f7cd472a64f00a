r"""Where byte pair encoding may not merge: a pattern first cuts the text into pieces, and merges stay inside a piece.

The patterns are three that llama.cpp knows by name, so that a vocabulary trained here opens there:

- `gpt-2`      words with the space before them, runs of digits, runs of other signs (Radford and others 2019)
- `llama-bpe`  Llama 3's, equal in its ids to tiktoken's cl100k_base: digits in groups of one to three
- `qwen2`      the same with every digit by itself: the default. A small vocabulary spends no merges on numbers like
               "1862", every number is written the same way, and it is the pattern of Qwen3, whose architecture is
               the default model's
"""

import regex

from hornbook.errors import unknown

DEFAULT_PATTERN = "qwen2"

_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

PATTERNS = {
    "gpt-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama-bpe": rf"{_WORDS}|\p{{N}}{{1,3}}|{_SIGNS}",
    "qwen2": rf"{_WORDS}|\p{{N}}|{_SIGNS}",
}

# tiktoken, tokenizers and rustbpe know the letters and numbers of Unicode 16, the package `regex` those of a later
# version. Letters and numbers since then are, for cutting, what they are to the others: signs without a class.
YOUNG = regex.compile(
    "[\u0558\u058b-\u058c\u088f\u0c5c\u0cdc\u208f\u209d-\u209f\ua7ce-\ua7cf\ua7d2\ua7d4\ua7dd-\ua7f1\uab6c-\uab6d"
    "\U000107bb-\U000107bf\U00010940-\U00010959\U00010ec5-\U00010eee\U00011b0a\U00011db0-\U00011df1\U0001246f"
    "\U00012475-\U0001247f\U00012550-\U00012686\U00016ea0-\U00016ed3\U00016ff2-\U00016ff6\U000187f8-\U000187ff"
    "\U00018cd6-\U00018cda\U00018d09-\U000191d2\U0001b123-\U0001b128\U0001b168\U0001d6a6\U0001df1f-\U0001df24"
    "\U0001df2b-\U0001dfff\U0001e6c0-\U0001e6ff\U0002b73a-\U0002b73f\U0002b81e\U0002cea2-\U0002cead"
    "\U000323b0-\U0003fc3f]"
)

# Runs of whitespace from about 500,000 characters on overflow the stack of rust's regex engine.
SPACE_BLOCK = 50_000
LONG_SPACE = regex.compile(rf"\s{{{SPACE_BLOCK},}}")


def pattern_text(name: str) -> str:
    """The regular expression of a pattern. Errors: `UserError` with the choices for an unknown name."""
    if name not in PATTERNS:
        raise unknown("pattern", name, PATTERNS)
    return PATTERNS[name]


def cut(text: str, splitter: regex.Pattern[str]) -> list[str]:
    """The pieces of a text, which joined are the text: qwen2's of "I'm 42" are ["I", "'m", " ", "4", "2"]."""
    if text.isascii() or not YOUNG.search(text):
        pieces: list[str] = splitter.findall(text)
        return pieces
    shadow = YOUNG.sub("\ufffd", text)  # one character for one, so the places are the same
    return [text[found.start() : found.end()] for found in splitter.finditer(shadow)]


def has_long_space(text: str) -> bool:
    """Whether whitespace fills a block of `SPACE_BLOCK` characters, as it does wherever a run is twice that long."""
    starts = range(0, len(text) - SPACE_BLOCK + 1, SPACE_BLOCK)
    return any(text[start : start + SPACE_BLOCK].isspace() for start in starts)
