"""The loss over a training run: training, validation, and the loss of a bigram model as the line to beat."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, GREY, VERMILION, label_line_ends, picture, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[int, float]]  # (step, loss in nats per token)


def loss_curves(
    train: Points,
    path_stem: Path | str,
    *,
    validation: Points = (),
    bigram_loss: float | None = None,
    tokens_per_step: int | None = None,
    title: str = "Loss while training",
) -> list[Path]:
    """Draw (step, loss) points as path_stem.png and .svg, and return both paths.

    Training is drawn twice: faint as measured, strong as its running mean. `bigram_loss` is a dashed line: a model
    above it has not yet learned more than which token follows which. `tokens_per_step` adds an axis of tokens seen.
    Errors: `UserError` where there is no point at all.
    """
    if not train and not validation:
        raise UserError("no losses to draw: the run has no steps yet")
    from matplotlib.ticker import MaxNLocator

    with picture(path_stem, width=8, height=4.8) as figure:
        axes = figure.add_subplot()
        axes.set(xlabel="step", ylabel="loss (nats per token)", title=title)
        ends = _draw_lines(axes, train, validation, bigram_loss)
        last = max(1, *(step for step, _ in [*train, *validation]))
        axes.set_xlim(-0.01 * last, 1.01 * last)
        axes.ticklabel_format(style="plain", useOffset=False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        label_line_ends(axes, ends)
        if tokens_per_step:
            _add_token_axis(axes, tokens_per_step)
    return written(path_stem)


def _draw_lines(
    axes: "Axes", train: Points, validation: Points, bigram_loss: float | None
) -> list[tuple[float, str, str]]:
    """Draw what there is; returns (height of its end, label, colour) of each line."""
    ends: list[tuple[float, str, str]] = []
    if train:
        steps, losses = zip(*train, strict=True)
        smooth = running_mean(losses)
        axes.plot(steps, losses, color=BLUE, alpha=0.3, linewidth=0.8)
        axes.plot(steps, smooth, color=BLUE, linewidth=2, marker="o" if len(steps) == 1 else None)
        ends.append((smooth[-1], f"train {smooth[-1]:.3f}", BLUE))
    if validation:
        steps, losses = zip(*validation, strict=True)
        axes.plot(steps, losses, color=VERMILION, linewidth=2, marker="o", markersize=5, markeredgecolor="white")
        ends.append((losses[-1], f"validation {losses[-1]:.3f}", VERMILION))
    if bigram_loss is not None:
        axes.axhline(bigram_loss, color=GREY, linewidth=1.6, linestyle=(0, (5, 3)))
        ends.append((bigram_loss, f"bigram {bigram_loss:.3f}", GREY))
    return ends


def running_mean(losses: Sequence[float], share: float = 0.05) -> list[float]:
    """Each loss averaged with its neighbours on both sides, over about `share` of the curve.

    The window is centred (one of the past only would lag behind a falling loss), shrinks towards the first loss so
    that the start stays true, and is cut off at the last. Short runs stay as they are.

    >>> running_mean([4.0, 2.0, 3.0, 2.0], share=0.75)
    [4.0, 3.0, 2.3333333333333335, 2.5]
    """
    half = round(share * len(losses)) // 2
    parts = (losses[place - min(half, place) : place + min(half, place) + 1] for place in range(len(losses)))
    return [sum(part) / len(part) for part in parts]


def _add_token_axis(axes: "Axes", tokens_per_step: int) -> None:
    from matplotlib.ticker import EngFormatter

    def tokens(steps: Any) -> Any:
        return steps * tokens_per_step

    def steps(tokens: Any) -> Any:
        return tokens / tokens_per_step

    above = axes.secondary_xaxis("top", functions=(tokens, steps))
    above.xaxis.set_major_formatter(EngFormatter(sep=""))
    above.set_xlabel("tokens seen", color=GREY)
