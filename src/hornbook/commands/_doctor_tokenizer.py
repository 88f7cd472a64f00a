"""The check of a tokenizer: what goes in comes out, as far as its kind promises."""

from collections.abc import Iterator

from hornbook.commands._doctor_check import Finding, left_out, no_faults
from hornbook.commands._doctor_subject import Subject
from hornbook.tokenizers.base import UNKNOWN, Tokenizer

OWN_TOKENS = 200  # of a vocabulary, tried as one text

HARD = (
    "",
    " ",
    "  two  spaces \t\ttabs \n\n\n lines \r\n and \r returns ",
    'The cat sat: "on the hat" -- it\'s 1,234.56 (or 0x7F)!',
    "caf\u00e9 and cafe\u0301, na\u00efve \u00c5 \u212b \ufb01 \u1e9b\u0323",  # one letter by several ways
    "日本語のテキスト、 한국어, العربية مع אברית, हिन्दी में, ภาษาไทย",
    "😀👩‍👩‍👧‍👦🏳️‍🌈🇫🇷👍🏽 \u200d\u200b\u2060\ufeff",  # several code points for one picture, and some of no width
    "\x00\x01\x1f\x7f\x80\x9f\xa0\u2028\u2029\x85",  # control characters, and spaces that aren't the space
    "\ue000\ufdd0\uffff\U0001fffe\U0010ffff",  # private and never assigned, and the last there is
    "<|endoftext|><|unk|>[PAD]<s></s>",  # the names of special tokens, as a text may hold them
    "a" * 300 + "é" * 300 + "\n" * 300,
    "x\u0300\u0301\u0302\u0303\u0304" * 20,
)


def tokenizer(subject: Subject) -> Finding:
    """Every hard text and a text of the vocabulary's own tokens, through and back."""
    found = subject.tokenizer
    if found is None:
        return left_out(subject.no_tokenizer)
    ids = range(0, found.vocab_size, max(1, found.vocab_size // OWN_TOKENS))
    own = [found.decode(list(ids)), " ".join(found.token_text(token) for token in ids)]
    texts = [*HARD, *own]
    wrong = [f"{text[:20]!r} ({fault})" for text in texts for fault in _faults(found, text)]
    kept = "come back whole" if found.lossless else "come back as promised"
    return no_faults(wrong, f"{len(texts)} hard texts {kept}", "faulty")


def _faults(found: Tokenizer, text: str) -> Iterator[str]:
    """What a tokenizer does with a text that it promised not to do."""
    ids = found.encode(text)
    special = {token for name, token in found.special_tokens.items() if name != UNKNOWN}
    if not all(0 <= token < found.vocab_size for token in ids):
        yield "an id outside the vocabulary"
        return
    if special & set(ids):
        yield "a special token out of plain text"
    if found.encode_batch([text, text]) != [ids, ids]:
        yield "other ids in a batch"
    yield from (_lossless_faults if found.lossless else _lossy_faults)(found, text, ids)


def _lossless_faults(found: Tokenizer, text: str, ids: list[int]) -> Iterator[str]:
    if found.decode(ids) != text:
        yield "another text came back"


def _lossy_faults(found: Tokenizer, text: str, ids: list[int]) -> Iterator[str]:
    """Only what isn't known may be lost, it must be counted, and what is known must keep its ids."""
    if found.count_unknown(ids) != sum(found.unknown_parts(text).values()):
        yield "what is lost isn't counted"
    known = [token for token in ids if token != found.unknown_id]
    if found.encode(found.decode(known)) != known:
        yield "known parts came back changed"
