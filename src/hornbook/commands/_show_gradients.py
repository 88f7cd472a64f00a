"""`hornbook show gradients`: what shortcuts do for the first layers of a deep network."""

from pathlib import Path

EXAMPLES = 64  # rows that the gradient is measured on
DEEPEST, WIDEST = 60, 4096


def gradients(
    *,
    layers: int = 12,
    width: int = 64,
    seed: int = 0,
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Show the gradient's size in each layer of a deep network, with shortcuts and without.

    Both networks have the same weights: each layer is x -> gelu(W x + b), and a shortcut adds x to what comes out.

    Parameters
    ----------
    layers
        How deep the networks are.
    width
        How many neurons a layer has.
    seed
        The number that decides weights and examples.
    picture
        Draw the sizes as PICTURE.png and PICTURE.svg.
    json
        Print one JSON object.
    """
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands.base import print_json
    from hornbook.errors import UserError
    from hornbook.pictures.gradient_bars import gradient_bars

    for what, value, most in (("layers", layers, DEEPEST), ("width", width, WIDEST)):
        if not 1 <= value <= most:
            raise UserError(f"{what} '{value}' is not a number from 1 to {most}")
    norms = _norms(layers, width, seed)
    paths = gradient_bars(norms, picture) if picture is not None else []
    if json:
        settings = {"layers": layers, "width": width, "seed": seed}
        named = {name.replace(" ", "_"): row for name, row in norms.items()}
        print_json({**settings, "norms": named, "pictures": list(map(str, paths))})
        return
    _print(norms)
    print_pictures(paths)


def _norms(layers: int, width: int, seed: int) -> dict[str, list[float]]:
    """Name -> the norm of the gradient of each layer, the first layer first."""
    import torch

    from hornbook.layers.shortcuts import DeepNetwork, gradient_norms
    from hornbook.randomness import torch_generator

    examples = torch.randn(2, EXAMPLES, width, generator=torch_generator(seed, "examples"))
    found = {}
    for name, shortcuts in (("without shortcuts", False), ("with shortcuts", True)):
        network = DeepNetwork(layers, width, shortcuts=shortcuts, generator=torch_generator(seed, "weights"))
        found[name] = gradient_norms(network, examples[0], examples[1])
    return found


def _print(norms: dict[str, list[float]]) -> None:
    import math

    from rich.text import Text

    from hornbook.commands._show_terminal import bar, console

    out = console()
    width = (out.width - 7 - 2 * 13) // 2
    logs = [[math.log10(max(norm, 1e-45)) for norm in row] for row in norms.values()]
    low, high = min(map(min, logs)) - 0.5, max(map(max, logs))
    out.print(Text("layer  " + "".join(f"{name:<{width + 13}}" for name in norms).rstrip(), "bold"), soft_wrap=True)
    for layer in range(len(logs[0])):
        line = Text(f"{layer + 1:5}  ")
        for row, log in zip(norms.values(), logs, strict=True):
            line.append(f"{row[layer]:<9.2g} ")
            line.append(bar((log[layer] - low) / (high - low), width).ljust(width + 3), "blue")
        line.rstrip()
        out.print(line, soft_wrap=True)
    first, last = (f"{row[0] / row[-1]:.2g}" for row in norms.values())
    out.print(f"\nfirst layer's gradient / last layer's: {first} without shortcuts, {last} with them", soft_wrap=True)
    out.print("bars on a logarithmic scale", style="dim", soft_wrap=True)
