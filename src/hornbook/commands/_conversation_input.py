"""Messages as they are typed or piped in: one line each, or several.

one line, \\            the backslash says that the next line belongs to it
and its end
\"\"\"
as many lines as you like
\"\"\"
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

QUOTES = '"""'
PROMPT, MORE = "> ", ". "


def messages_in(read_line: Callable[[str], str | None]) -> Iterator[str]:
    """The messages that lines come to; `read_line(prompt)` gives None at the end. Empty ones are passed over."""
    while (line := read_line(PROMPT)) is not None:
        bare = line.strip()
        quoted = bare.startswith(QUOTES)
        message = _quoted(bare[len(QUOTES) :], read_line) if quoted else _continued(line, read_line)
        if message.strip():
            yield message


def from_lines(lines: Iterable[str]) -> Iterator[str]:
    """The messages in a file's lines, to its end."""
    unread = iter(lines)

    def read_line(prompt: str) -> str | None:
        line = next(unread, None)
        return None if line is None else line.rstrip("\r\n")

    return messages_in(read_line)


def from_terminal() -> Iterator[str]:
    """The messages that a person types, to Ctrl-D; Ctrl-C drops what was typed."""
    if sys.stdout.isatty():
        with suppress(ImportError):  # not on Windows
            import readline  # noqa: F401  (arrow keys and history in `input`)

    def read_line(prompt: str) -> str | None:
        while True:
            try:
                return _ask(prompt)
            except KeyboardInterrupt:
                print("\n(Ctrl-D or /quit ends)", file=sys.stderr)
                if prompt == MORE:
                    return ""
            except EOFError:
                print(file=sys.stderr)
                return None

    return messages_in(read_line)


def _ask(prompt: str) -> str:
    """One line. The sign before it goes to stdout where that is the terminal, else to stderr: stdout has answers only."""
    if sys.stdout.isatty():
        return input(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _quoted(begun: str, read_line: Callable[[str], str | None]) -> str:
    """The text up to the closing quotation marks, or to the end of all input."""
    lines = [begun] if begun.strip() else []
    if begun.rstrip().endswith(QUOTES):
        return begun.rstrip()[: -len(QUOTES)]
    while (line := read_line(MORE)) is not None:
        if line.rstrip().endswith(QUOTES):
            last = line.rstrip()[: -len(QUOTES)]
            return "\n".join([*lines, last] if last else lines)
        lines.append(line)
    return "\n".join(lines)


def _continued(line: str, read_line: Callable[[str], str | None]) -> str:
    lines = []
    while line.endswith("\\"):
        lines.append(line[:-1])
        line = read_line(MORE) or ""
    return "\n".join([*lines, line])
