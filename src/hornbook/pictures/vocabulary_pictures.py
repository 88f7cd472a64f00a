"""What a vocabulary is made of, and how vocabularies compare."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, GREY, ORANGE, picture, printable, written

LONGEST = 16  # lengths from here on share one bar
EXAMPLES = 3


def token_lengths(
    tokens: Sequence[str], path_stem: Path | str, *, title: str = "How long the tokens are"
) -> list[Path]:
    """Bars of how many tokens have 1, 2, 3... characters, with examples: path_stem.png and .svg -> both paths.

    tokens: the text of each token in the order of their ids; the first of each length are the examples.
    Errors: `UserError` for an empty vocabulary.
    """
    if not tokens:
        raise UserError("an empty vocabulary can't be drawn")
    lengths = [min(max(1, len(token)), LONGEST) for token in tokens]
    counts = Counter(lengths)
    rows = range(1, max(lengths) + 1)
    examples = [[t for t, n in zip(tokens, lengths, strict=True) if n == row][:EXAMPLES] for row in rows]
    with picture(path_stem, 8, 1.5 + 0.3 * len(rows)) as figure:
        axes = figure.add_subplot()
        names = [f"{row} or more" if row == LONGEST else str(row) for row in rows]
        bars = axes.barh(names, [counts[row] for row in rows], color=BLUE, height=0.72)
        axes.bar_label(bars, [f"{counts[row]:,}" for row in rows], padding=4, fontsize=10)
        for place, shown in enumerate(examples):
            text = "   ".join(printable(token)[:20] for token in shown)
            axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=10, color=GREY)
        axes.annotate(
            "for example", (1.02, -1), xycoords=("axes fraction", "data"), va="center", fontsize=10, color=GREY
        )
        axes.set(xlabel=f"tokens (of {len(tokens):,})", ylabel="characters in the token", title=title)
        axes.set_ylim(len(rows) - 0.4, -1.4)  # downwards, with a line for the heading of the examples
        axes.grid(visible=False)
        axes.margins(x=0.22)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    return written(path_stem)


def compare_vocabularies(
    sizes: Mapping[str, tuple[int, float]], path_stem: Path | str, *, title: str = "Vocabularies compared"
) -> list[Path]:
    """Two rows of bars for tokenizers on one text: name -> (vocab_size, characters per token). Returns both paths.

    Sizes lie on a logarithmic axis: a letter vocabulary has tens of entries, a public one 50,000.
    Errors: `UserError` for no tokenizer.
    """
    if not sizes:
        raise UserError("no vocabularies to compare")
    from matplotlib.ticker import EngFormatter

    names = list(sizes)
    with picture(path_stem, 9, 1.5 + 0.42 * len(names)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        bars = left.barh(names, [sizes[name][0] for name in names], color=BLUE, height=0.68)
        left.bar_label(bars, [f"{sizes[name][0]:,}" for name in names], padding=4, fontsize=10)
        left.set(xscale="log", xlim=(1, 30 * max(size for size, _ in sizes.values())), title=title)
        left.set_xlabel("vocabulary size (tokens, log scale)")
        left.xaxis.set_major_formatter(EngFormatter(sep=""))  # 1k, 10k, 100k
        bars = right.barh(names, [sizes[name][1] for name in names], color=ORANGE, height=0.68)
        right.bar_label(bars, [f"{sizes[name][1]:.2f}" for name in names], padding=4, fontsize=10)
        right.set(xlabel="characters per token")
        for side in (left, right):
            side.grid(visible=False)
            side.margins(x=0.2)
        left.invert_yaxis()
    return written(path_stem)
