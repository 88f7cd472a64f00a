"""Attention as heat maps: which token each token looks at, by layer and head."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.pictures.drawing import GREY, INK, MONOSPACE, PALE, picture, printable, written

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

LONGEST_LABEL = 12
MOST_MAPS = 400
LABEL_LINE = 0.135  # inches that a token's name needs; smaller maps go without
NUMBERED_TOKENS = 12  # up to here a single map has its weights written into it
TICKS = (0.0, 0.05, 0.25, 0.5, 1.0)


def attention_maps(
    layers: "Sequence[np.ndarray]",
    tokens: Sequence[str],
    path_stem: Path | str,
    *,
    title: str = "What each token looks at",
    layer_names: Sequence[str] = (),
    head_names: Sequence[str] = (),
) -> list[Path]:
    """Draw weights (H, T, T) of each layer, one row of maps a layer: path_stem.png and .svg -> both paths.

    In a map, row i says how much token i takes from each token; the future, which it can't see, is grey. Colours
    follow the root of the weight, so that small weights can be told from none. Maps that are large enough have the
    tokens' names, a single small one its numbers too.
    Errors: `UserError` where there is no map, or more than 400.
    """
    count = sum(len(layer) for layer in layers)
    if not 1 <= count <= MOST_MAPS:
        raise UserError(f"{count} attention maps can't be drawn legibly", hint="choose a layer, or a layer and a head")
    columns = max(len(layer) for layer in layers)
    layer_names = layer_names or [f"layer {number + 1}" for number in range(len(layers))]
    head_names = head_names or [f"head {number + 1}" for number in range(columns)]
    size = _map_size(count, columns, len(tokens))
    labels = [_short(token) for token in tokens] if size / len(tokens) >= LABEL_LINE else []
    border = 0.085 * max(map(len, labels), default=0)  # inches that the longest name takes
    with picture(path_stem, columns * size + border + 1.5, len(layers) * size + border + 1.1) as figure:
        grid = figure.subplots(len(layers), columns, squeeze=False, sharex=True, sharey=True)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        for row, layer in enumerate(layers):
            for column in range(columns):
                shown = _draw_map(grid[row][column], layer[column], labels)
                if column == 0:
                    grid[row][0].set_ylabel(layer_names[row], color=INK)
                if row == 0:
                    grid[0][column].set_title(head_names[column], fontsize=11, fontweight="normal", loc="center", pad=6)
                if count == 1 and len(tokens) <= NUMBERED_TOKENS:
                    _write_numbers(grid[0][0], layer[0])
        bar = figure.colorbar(shown, ax=grid, shrink=min(1.0, 3.0 / (len(layers) * size)), aspect=18, ticks=TICKS)
        bar.set_label("weight (grey: the future)", color=INK)
        bar.outline.set_visible(False)
    return written(path_stem)


def _map_size(count: int, columns: int, length: int) -> float:
    """Inches a map: one alone grows with its tokens, many share about 12 inches."""
    if count == 1:
        return min(9.0, max(4.0, 0.36 * length))
    return min(2.6, max(0.9, 12 / columns))


def _draw_map(axes: "Axes", weights: "np.ndarray", labels: Sequence[str]) -> Any:
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm

    weights = np.asarray(weights, dtype=float)
    above = np.triu(np.ones_like(weights, dtype=bool), 1)
    causal = not np.any(weights[above])
    colours = colormaps["Blues"].with_extremes(bad=PALE)
    shown = axes.imshow(
        np.ma.array(weights, mask=above & causal), cmap=colours, norm=PowerNorm(0.5, 0, 1), interpolation="nearest"
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=90, family=MONOSPACE, fontsize=9)
    axes.set_yticks(places, labels, family=MONOSPACE, fontsize=9)
    return shown


def _write_numbers(axes: "Axes", weights: "np.ndarray") -> None:
    for row, line in enumerate(weights):
        for column, weight in enumerate(line):
            if weight:
                colour = "white" if weight > 0.4 else GREY if weight < 0.01 else INK
                axes.text(column, row, f"{weight:.2f}", ha="center", va="center", fontsize=8, color=colour)


def _short(token: str) -> str:
    shown = printable(token) or "∅"
    return shown if len(shown) <= LONGEST_LABEL else shown[: LONGEST_LABEL - 1] + "…"
