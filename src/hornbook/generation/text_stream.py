"""Tokens -> text as it comes: never half a character, never a part of a stop string."""

from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence

from hornbook.errors import UserError
from hornbook.tokenizers.base import Tokenizer


class TextStream:
    """Tokens in, whole characters out: the pushed texts and `finish()`, joined, are what `decode` says of all tokens.

    A byte-level token may end inside a character; its bytes wait for the rest. A word tokenizer writes a space
    between words, so the first word's text depends on the end of the prompt: `before` holds its tokens.

    >>> stream = TextStream(tokenizer)                       # the euro sign is the bytes e2 82 ac
    >>> [stream.push(token) for token in (0xE2, 0x82, 0xAC)] # where the ids are bytes
    ['', '', '€']
    """

    def __init__(self, tokenizer: Tokenizer, before: Sequence[int] = ()) -> None:
        self.tokenizer = tokenizer
        self._last = list(before[-1:])
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")

    def push(self, *tokens: int) -> str:
        """One more token, or several -> the text that is now certain, possibly ''."""
        # What a token adds depends on the token before it at most, for every kind of tokenizer: no need to decode all.
        known = len(self.tokenizer.decode_bytes(self._last))
        added = self.tokenizer.decode_bytes([*self._last, *tokens])[known:]
        self._last = list(tokens[-1:]) or self._last
        return self._decoder.decode(added)

    def finish(self) -> str:
        """No more tokens: what was held back. Bytes that never became a character give U+FFFD, as in `decode`."""
        return self._decoder.decode(b"", final=True)


class StopStrings:
    """Text in, text out up to the first stop string, which is swallowed; `stopped` then turns true.

    The end of the text that may be the beginning of a stop string is held back until it is or isn't. The stop string
    that is complete first wins, so the result doesn't depend on how the text was cut into pieces.

    >>> stops = StopStrings(["END"])
    >>> [stops.push(piece) for piece in ("an E", "N", "emy E", "NDs here")]
    ['an ', '', 'ENemy ', '']
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self.stops = [stops] if isinstance(stops, str) else list(stops)
        if "" in self.stops:
            raise UserError("stop string '' is empty", hint="leave it out to go on until the model stops by itself")
        self.stopped = False
        self._held = ""

    def push(self, text: str) -> str:
        """One more piece of text -> the text that is now certain to come before every stop string."""
        if self.stopped:
            return ""
        self._held += text
        found = [(place + len(stop), place) for stop in self.stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            certain = min(found)[1]
        else:
            certain = len(self._held) - self._possible_start()
        released, self._held = self._held[:certain], self._held[certain:]
        return released

    def finish(self) -> str:
        """No more text: what was held back, '' after a stop."""
        return "" if self.stopped else self._held

    def _possible_start(self) -> int:
        """The length of the longest end of the held text that begins a stop string."""
        longest = max((len(stop) for stop in self.stops), default=1) - 1
        ends = range(min(longest, len(self._held)), 0, -1)
        return next((n for n in ends if any(stop.startswith(self._held[-n:]) for stop in self.stops)), 0)
