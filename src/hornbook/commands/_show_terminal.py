"""What `hornbook show` prints with: a console for results, blanks made visible, bars, pieces wrapped to its width."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.pictures.drawing import BLANKS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

EIGHTHS = " ▏▎▍▌▋▊▉"
FILLS = ("#1A1A1A on #CFE5F3", "#1A1A1A on #F2B98C")  # dark on pale; on 16 colours too the two differ


def console() -> "Console":
    """Where results go: stdout, as wide as the terminal or $COLUMNS, plain where it is a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def visible(text: str) -> str:
    r"""`text` on one line, with every blank to be seen: ' a\n' -> '·a↵'; '' -> '∅'."""
    shown = (BLANKS.get(letter) or (letter if letter.isprintable() else f"U+{ord(letter):04X}") for letter in text)
    return "".join(shown) or "∅"


def short(text: str, width: int) -> str:
    """`visible` text of at most `width` columns, an ellipsis where it was cut."""
    from rich.cells import cell_len, set_cell_size

    shown = visible(text)
    return shown if cell_len(shown) <= width else set_cell_size(shown, width - 1).rstrip() + "…"


def bar(share: float, width: int) -> str:
    """A bar of `share` x `width` columns, to an eighth of one: 0.5, 3 -> '█▌'. What isn't 0 is to be seen."""
    eighths = max(round(max(0.0, min(share, 1.0)) * width * 8), int(share > 0))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def print_pieces(out: "Console", pieces: Sequence[str], ids: Sequence[int], indent: int = 2) -> None:
    """Print pieces in reading order, wrapped, each above its id: on alternating colours, or parted by bars."""
    from rich.cells import cell_len

    names = list(map(str, ids))
    padded = [piece + " " * (len(name) - cell_len(piece)) for piece, name in zip(pieces, names, strict=True)]
    last = -1  # of a piece that is cut the id stands below the first part
    for line in wrapped(padded, out.width - indent, 1):
        out.print(_joined(line, out.color_system is not None, indent), soft_wrap=True)
        below = ""
        for number, part in line:
            below += ("" if number == last else names[number]).ljust(cell_len(part) + 1)
            last = number
        out.print((" " * indent + below).rstrip(), soft_wrap=True)


def wrapped(pieces: Iterable[str], width: int, gap: int) -> Iterator[list[tuple[int, str]]]:
    """Lines of (number, piece), none wider than `width` with `gap` columns behind each; a longer piece is cut."""
    from rich.cells import cell_len, chop_cells

    line: list[tuple[int, str]] = []
    used = 0
    for number, piece in enumerate(pieces):
        for part in chop_cells(piece, width - gap):
            if used + cell_len(part) + gap > width:
                yield line
                line, used = [], 0
            line.append((number, part))
            used += cell_len(part) + gap
    if line:
        yield line


def _joined(line: Sequence[tuple[int, str]], coloured: bool, indent: int) -> "Text":
    from rich.text import Text

    text = Text(" " * indent)
    for number, piece in line:
        text.append(piece, FILLS[number % len(FILLS)] if coloured else "")
        text.append(" " if coloured else "|")
    return text


def print_missing(out: "Console", name: str, reason: str) -> None:
    """Say in one short line that a public vocabulary isn't here, and which command says what to save where."""
    hint = f'hornbook show tokens "a" --tokenizer {name} says what to save where'
    out.print(f"{name}: {reason.partition('; hint: ')[0]}; hint: {hint}", soft_wrap=True)


def print_pictures(paths: Iterable[Path]) -> None:
    """Say where a picture's files lie; nothing where none was drawn."""
    for place, path in enumerate(paths):
        print("" if place else "\n", f"picture  {path}", sep="")
