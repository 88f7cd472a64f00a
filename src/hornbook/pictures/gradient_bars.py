"""How large the gradient is in each layer, for several networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, GREEN, ORANGE, PURPLE, VERMILION, picture, written

COLOURS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE)
MARKERS = ("o", "s", "^", "D", "v")


def gradient_bars(
    norms: Mapping[str, Sequence[float]],
    path_stem: Path | str,
    *,
    title: str = "The gradient in each layer",
    ylabel: str = "norm of the gradient (log scale)",
) -> list[Path]:
    """Draw name -> size of the gradient per layer, first layer left: path_stem.png and .svg -> both paths.

    The scale is logarithmic, since a vanishing gradient falls by a factor a layer. Each value is a thin bar from the
    picture's foot with a mark on its end; colour and mark both tell the networks apart.
    Errors: `UserError` for no network, more than 5, or a size that is not above 0.
    """
    sizes = [size for row in norms.values() for size in row]
    if not sizes or len(norms) > len(COLOURS):
        raise UserError(f"gradients of {len(norms)} networks can't be drawn", hint=f"give 1 to {len(COLOURS)}")
    if not all(size > 0 for size in sizes):  # nan too
        raise UserError("a gradient of 0 has no place on a logarithmic scale", hint="take fewer layers")
    from matplotlib.ticker import MaxNLocator

    foot = min(sizes) / 3
    with picture(path_stem, 8, 4.8) as figure:
        axes = figure.add_subplot()
        axes.set(yscale="log", ylim=(foot, 3 * max(sizes)), xlabel="layer (1 is next to the input)", ylabel=ylabel)
        for number, (name, row) in enumerate(norms.items()):
            shift = 0.16 * (number - (len(norms) - 1) / 2)
            places = [layer + 1 + shift for layer in range(len(row))]
            axes.vlines(places, foot, row, color=COLOURS[number], linewidth=2.5, alpha=0.45)
            axes.plot(places, row, MARKERS[number], color=COLOURS[number], markersize=7, label=name)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(norms), frameon=False)
        axes.set_title(title, pad=34)
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16))
        axes.yaxis.set_major_formatter(lambda size, _: f"{size:g}")  # the default's are written in TeX
    return written(path_stem)
