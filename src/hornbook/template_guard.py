"""Which special tokens of a text were written by a template, and which stood in the contents that went into it.

Before a content goes in, special tokens spelled in it are put between two signs that occur nowhere else; so is, at its
ends, what could become one together with the template's text. Afterwards a special token is one where no sign touches
it, and the signs are taken out again.
"""

import re
from collections.abc import Collection, Iterable, Mapping

PRIVATE = range(0xE000, 0xF8FF)  # code points that mean nothing to anyone


class Guard:
    """Guards the contents of one conversation; `texts` is all that must not hold its two signs."""

    def __init__(self, special_tokens: Mapping[str, int], texts: Iterable[str]) -> None:
        taken = set().union(*texts)
        free = (chr(code) for code in PRIVATE if chr(code) not in taken)
        self._open, self._close = next(free), next(free)
        names = sorted(filter(None, special_tokens), key=len, reverse=True)
        self._names = re.compile("|".join(map(re.escape, names)) or "(?!)")
        self._beginnings = {name[:length] for name in names for length in range(1, len(name))}
        self._endings = {name[length:] for name in names for length in range(1, len(name))}
        self._all = names
        self._longest = max(map(len, names), default=0)

    def protect(self, content: str, meant: Collection[str] = ()) -> str:
        """The content with its special tokens between signs; those of `meant` stay as they are."""
        guarded = self._names.sub(lambda found: self._between(found[0], meant), content)
        bare = guarded.strip()
        if not bare:
            return guarded
        inside = any(bare in name for name in self._all)
        sizes = range(1, min(self._longest, len(bare)) + 1)
        before = inside or any(bare[:size] in self._endings for size in sizes)
        after = inside or any(bare[-size:] in self._beginnings for size in sizes)
        start = len(guarded) - len(guarded.lstrip())
        edges = (self._open if before else "", self._close if after else "")
        return guarded[:start] + edges[0] + bare + edges[1] + guarded[start + len(bare) :]

    @property
    def signs(self) -> str:
        """The opening and the closing sign."""
        return self._open + self._close

    def _between(self, name: str, meant: Collection[str]) -> str:
        return name if name in meant else f"{self._open}{name}{self._close}"
