"""The layers of a model as a tree: names, shapes, parameters; blocks that are alike stand there once."""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.tree import Tree
    from torch import nn

NUMBER = 16  # columns that a number of parameters takes


@dataclass(frozen=True)
class Part:
    """A module: `kind` is its class, `shapes` its own tensors, `parameters` all in it, `times` how many are alike."""

    name: str
    kind: str
    shapes: dict[str, tuple[int, ...]]
    parameters: int
    parts: "tuple[Part, ...]"
    times: int = 1

    def as_json(self) -> dict[str, Any]:
        """The tree as JSON values; `parameters` is for one of `times` that are alike."""
        return {**vars(self), "parts": [part.as_json() for part in self.parts]}


def part_of(name: str, module: "nn.Module") -> Part:
    """The tree below a module, without modules that have no parameters."""
    children = [part_of(child, below) for child, below in module.named_children()]
    parts = []
    for _, alike in groupby((child for child in children if child.parameters), _without_name):
        members = list(alike)
        many = len(members) > 1 and members[0].name.isdigit()
        parts += [_repeated(members)] if many else members
    shapes = {own: tuple(tensor.shape) for own, tensor in module.named_parameters(recurse=False)}
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return Part(name, type(module).__name__, shapes, parameters, tuple(parts))


def totals(tree: Part) -> dict[str, int]:
    """Parameters by what they do, over all layers: {'token_embedding': ..., 'attention': ..., 'norms': ...}.

    What stands directly below the model or below one of its blocks is a kind; every norm counts as one.
    """
    counts: Counter[str] = Counter()

    def add(part: Part, times: int) -> None:
        for child in part.parts:
            if child.name.isdigit() or child.kind == "ModuleList" or child.times > 1:
                add(child, times * child.times)
            else:
                counts["norms" if child.name.endswith("norm") else child.name] += times * child.parameters

    add(tree, 1)
    return dict(counts)


def rich_tree(tree: Part, width: int) -> "Tree":
    """The tree for a terminal of `width` columns: name and shapes left, parameters right."""
    from rich.tree import Tree

    grown = Tree(_line(tree, width, 0), guide_style="dim")

    def grow(onto: Tree, part: Part, depth: int) -> None:
        for child in part.parts:
            grow(onto.add(_line(child, width, depth)), child, depth + 1)

    grow(grown, tree, 1)
    return grown


def _line(part: Part, width: int, depth: int) -> str:
    name = f"each of {part.times} blocks" if part.times > 1 else part.name
    shapes = ", ".join(f"{own} {_shape(shape)}" for own, shape in part.shapes.items())
    room = width - 4 * depth - NUMBER
    return f"{f'{name}  {shapes}'.strip()[:room]:<{room}}{part.parameters:>{NUMBER},}"


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _without_name(part: Part) -> tuple[Any, ...]:
    return part.kind, part.shapes, part.parameters, tuple(map(_without_name_deep, part.parts))


def _without_name_deep(part: Part) -> tuple[Any, ...]:
    return part.name, *_without_name(part)


def _repeated(members: list[Part]) -> Part:
    first = members[0]
    name = f"{first.name} to {members[-1].name}"
    return Part(name, first.kind, first.shapes, first.parameters, first.parts, len(members))
