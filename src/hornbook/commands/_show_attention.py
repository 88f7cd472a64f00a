"""`hornbook show attention`: which token each token of a text looks at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from rich.text import Text

SHADES = ((0.7, "█"), (0.4, "▓"), (0.2, "▒"), (0.05, "░"), (0.0, "·"))  # from which weight on
LEGEND = "█ from 70 %  ▓ from 40 %  ▒ from 20 %  ░ from 5 %  · less"
LABEL, TARGET = 14, 14  # columns that a token's text may take, at the left and at the right


def attention(
    model: str,
    text: str,
    /,
    *,
    layer: int | None = None,
    head: int | None = None,
    device: str = "auto",
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Show which token each token looks at: hornbook show attention runs/tales "The fox was asleep." --layer 2

    A row says how much its token takes from itself and from each one before it; a row's weights sum to 1.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model.
    text
        The text that the model reads.
    layer
        Which layer, counted from 1 (default: the last).
    head
        Which head of the layer, counted from 1 (default: the mean of all).
    device
        auto, cpu, cuda or mps.
    picture
        Draw heat maps as PICTURE.png and PICTURE.svg: of all layers and heads, of the layer's, or of the one head.
    json
        Print one JSON object with the weights of the map.
    """
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands._show_text import read_text
    from hornbook.commands.base import print_json

    language_model, ids = read_text(model, text, device)
    layers = _weights(language_model.model, ids)
    number = _require_in("layer", layer, len(layers))
    _require_in("head", head, layers[number - 1].shape[0])
    tokens = [language_model.tokenizer.token_text(token) for token in ids]
    chosen = layers[number - 1]
    weights = chosen.mean(dim=0) if head is None else chosen[head - 1]
    name = f"layer {number} of {len(layers)}, " + (
        f"mean of {len(chosen)} heads" if head is None else f"head {head} of {len(chosen)}"
    )
    paths = _draw(layers, tokens, layer, head, picture) if picture is not None else []
    if json:
        print_json({
            "text": text, "tokens": tokens, "ids": ids, "layer": number, "head": head,
            "num_layers": len(layers), "num_heads": len(chosen),
            "weights": [[round(weight, 6) for weight in row] for row in weights.tolist()],
            "looks_most_at": weights.argmax(dim=-1).tolist(), "pictures": list(map(str, paths)),
        })  # fmt: skip
        return
    print(name)
    _print(weights, tokens)
    print_pictures(paths)


def _weights(model: Any, ids: list[int]) -> "list[torch.Tensor]":
    """The attention weights (H, T, T) of every layer. Errors: `UserError` for a model without attention."""
    import torch

    from hornbook.errors import UserError

    device = next(model.parameters()).device
    layers = [weights[0].float().cpu() for weights in model.attention_weights(torch.tensor([ids], device=device))]
    if not layers:
        kind = type(model).__name__.lower()
        raise UserError(f"this model has no attention to show: it is a {kind}", hint="choose a gpt or a llama")
    return layers


def _require_in(what: str, number: int | None, count: int) -> int:
    """The number, the last where there is none. Errors: `UserError` where it is not from 1 to `count`."""
    from hornbook.errors import UserError

    if number is None:
        return count
    if not 1 <= number <= count:
        raise UserError(f"{what} '{number}' is not one of the {count} here", hint=f"they are counted from 1 to {count}")
    return number


def _print(weights: "torch.Tensor", tokens: list[str]) -> None:
    """The map as shaded blocks: a row a token, the token it looks at most at its end."""
    from rich.text import Text

    from hornbook.commands._show_terminal import console, short

    out = console()
    room = out.width - LABEL - TARGET - 18
    first = max(0, len(tokens) - room)
    width = 2 if 2 * len(tokens) <= room else 1
    if first:
        out.print(f"the last {room} of {len(tokens)} tokens fit here; --json has them all", soft_wrap=True)
    head = Text(" " * (6 + LABEL), "dim")
    for place in range(first, len(tokens)):
        head.append(f"{(place + 1) % 10}" + " " * (width - 1))
    out.print(head.append("  looks most at"), soft_wrap=True)
    for place in range(first, len(tokens)):
        line = Text(f"{place + 1:4} ").append(short(tokens[place], LABEL).ljust(LABEL + 1))
        line.append(_cells(weights[place, first:].tolist(), place - first, width))
        most = int(weights[place].argmax())
        line.append(f"  {weights[place, most]:4.0%} {most + 1:3} {short(tokens[most], TARGET)}")
        out.print(line, soft_wrap=True)
    out.print(LEGEND, style="dim", soft_wrap=True)


def _cells(row: list[float], last: int, width: int) -> "Text":
    """One row of the map: a shade for each token up to the row's own, nothing for the future."""
    from rich.text import Text

    cells = Text(style="blue")
    for column, weight in enumerate(row):
        shade = next(mark for bound, mark in SHADES if weight >= bound) if column <= last else " "
        cells.append(shade * width)
    return cells


def _draw(
    layers: "list[torch.Tensor]", tokens: list[str], layer: int | None, head: int | None, path_stem: Path
) -> list[Path]:
    """All maps, one layer's, or one head's, as was asked."""
    from hornbook.pictures.attention_maps import attention_maps

    rows = [(number + 1, weights) for number, weights in enumerate(layers)]
    if layer is not None or head is not None:
        rows = [rows[(layer or len(layers)) - 1]]
    maps = [weights.numpy() if head is None else weights[head - 1 : head].numpy() for _, weights in rows]
    head_names = [f"head {head}"] if head is not None else []
    return attention_maps(
        maps, tokens, path_stem, layer_names=[f"layer {number}" for number, _ in rows], head_names=head_names
    )
