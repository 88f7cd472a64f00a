"""Mojibake: UTF-8 that somebody once read in the wrong encoding, so that 'it’s' became 'itâ€™s'. ftfy repairs it.

Only `ftfy.fix_encoding` is used: ftfy's other repairs (quotes, ligatures, width) would change text without being asked.
Its detector reads about 3 MB/s, so a cheap necessary condition goes first: repairable mojibake always holds the picture
of a UTF-8 lead byte followed by the picture of a continuation byte, both in the same single-byte encoding.
"""

import functools
import itertools
import re
from collections.abc import Iterable

# The single-byte encodings that ftfy tries to undo (ftfy.chardata.CHARMAP_ENCODINGS, under their Python names).
CODECS = ("latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso-8859-2", "mac-roman", "cp437")


def mojibake(text: str) -> str:
    """Repair mojibake line by line: 'itâ€™s a cafÃ©' -> 'it’s a café'. Sound text, in any language, stays as it is."""
    if text.isascii():
        return text
    parts: list[str] = []
    here = 0
    while suspicious := _suspicion().search(text, here):
        start = text.rfind("\n", here, suspicious.start()) + 1 or here
        end = text.find("\n", suspicious.start())
        end = len(text) if end < 0 else end
        parts += [text[here:start], _repaired(text[start:end])]
        here = end
    return "".join([*parts, text[here:]]) if parts else text


def _repaired(line: str) -> str:
    import ftfy  # 0.1 s, and most texts never need it

    return ftfy.fix_encoding(line)


@functools.cache
def _suspicion() -> re.Pattern[str]:
    """The pattern of the necessary condition: a lead and a continuation byte's pictures, or a C1 control character.

    It begins with one character class, which lets `re` skip other text quickly. A continuation byte may also be lost
    (\\x1a, \\ufffd, ?) or, where it was A0 (no-break space), be a plain space now.
    """
    lead, follow = _pictures(range(0xC0, 0xF5)), _pictures(range(0x80, 0xC0)) + "\x1a\ufffd"
    short = _pictures((0xC2, 0xC3, 0xC5, 0xCE, 0xD0, 0xD9))  # the leads of two that may stand before a space
    long = _pictures((0xE2, 0xE3, 0xED, 0xF0))
    ends = (f"[{follow}]", "(?<=[\x80-\x9f])", f"(?<=[{short}])[ ?]", f"(?<=[{long}])[ ?][{follow}]")
    return re.compile(f"[\x80-\x9f{lead}](?:{'|'.join(ends)})")


def _pictures(values: Iterable[int]) -> str:
    """What these bytes look like read in any of `CODECS`; a byte without meaning stands for its own number."""
    pairs = itertools.product(CODECS, values)
    return re.escape("".join(bytes([value]).decode(codec, "ignore") or chr(value) for codec, value in pairs))
