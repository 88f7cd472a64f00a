"""Distributions of the next token, side by side: what a temperature, or another prompt, does to them."""

from collections.abc import Mapping
from pathlib import Path

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, GREY, MONOSPACE, picture, printable, written

MOST_PANELS, MOST_TOKENS = 6, 30


def next_token_bars(
    distributions: Mapping[str, Mapping[str, float]],
    path_stem: Path | str,
    *,
    title: str = "The next token",
    rest: str | None = None,
) -> list[Path]:
    """A panel of bars for each label -> {token: probability}: path_stem.png and .svg -> both paths.

    The tokens are those of the first label, in its order, on one scale from 0 to 100 %. `rest` is the token that
    stands for all others: its name is no token, so its blanks aren't marked.
    Errors: `UserError` for no distribution, or more than 6 of them or 30 tokens: smaller bars could not be read.
    """
    tokens = list(next(iter(distributions.values()), {}))
    if not tokens or len(distributions) > MOST_PANELS or len(tokens) > MOST_TOKENS:
        raise UserError(
            f"{len(distributions)} distributions of {len(tokens)} tokens can't be drawn legibly",
            hint=f"give 1 to {MOST_PANELS} of 1 to {MOST_TOKENS} tokens",
        )
    names = [token if token == rest else printable(token)[:20] or "∅" for token in tokens]
    places = range(len(tokens))
    colours = [GREY if token == rest else BLUE for token in tokens]
    width = 1.2 + 0.1 * max(map(len, names)) + 2.6 * len(distributions)
    with picture(path_stem, max(5.0, width), 1.6 + 0.3 * len(tokens)) as figure:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        panels = figure.subplots(1, len(distributions), sharey=True, squeeze=False)[0]
        for axes, (label, shares) in zip(panels, distributions.items(), strict=True):
            values = [shares.get(token, 0.0) for token in tokens]
            bars = axes.barh(places, [100 * value for value in values], color=colours, height=0.7)
            axes.bar_label(bars, [percent(value) for value in values], padding=4, fontsize=9)
            axes.set_title(label, fontsize=11, fontweight="normal", loc="left", pad=6)
            axes.set(xlim=(0, 128), xticks=[0, 50, 100], xlabel="probability (%)")  # with room for the numbers
            axes.grid(visible=False, axis="y")
        panels[0].set_yticks(places, names, family=MONOSPACE, fontsize=10)
        panels[0].invert_yaxis()
    return written(path_stem)


def percent(share: float) -> str:
    """A probability to one decimal, and never a rounded nothing: 0.572 -> '57.2', 0.0001 -> '<0.1', 0 -> '0'."""
    return "0" if share == 0 else "<0.1" if share < 0.0005 else f"{100 * share:.1f}"
