"""`hornbook show model`: the layers of a model as a tree, what is in them, and the memory they take."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hornbook.commands._show_layers import Part
    from hornbook.models.base import Model, ModelConfig

FLOAT32 = 4  # bytes
ADAMW = 4  # numbers that training keeps for each weight: itself, its gradient, two moments


def model(
    source: str,
    /,
    *,
    vocab_size: int | None = None,
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Show a model's layers with their shapes, parameters and memory: hornbook show model gpt2-124m

    A recipe's model is not built: its shapes are worked out without taking the memory.

    Parameters
    ----------
    source
        A recipe's name or .toml file; or a model folder, or a run folder with a finished model.
    vocab_size
        The size of the vocabulary for a recipe (default: as the recipe says; where its text decides, it is read).
    picture
        Draw where the parameters are as PICTURE.png and PICTURE.svg.
    json
        Print one JSON object with every part, its shapes and its parameters.
    """
    from hornbook.commands._show_layers import part_of, totals
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands.base import print_json
    from hornbook.pictures.model_parts import parameter_bars

    built = _of_folder(source, vocab_size) if Path(source).is_dir() else _of_recipe(source, vocab_size)
    tree, memory = part_of(type(built).__name__.lower(), built), memory_of(built)
    title = f"Where the parameters of {Path(source).stem} are"
    paths = parameter_bars(totals(tree), picture, title=title) if picture is not None else []
    if json:
        print_json({
            "model": source, "config": built.config.model_dump(), "parameters": built.num_parameters(),
            "memory_bytes": memory, "tree": tree.as_json(), "pictures": list(map(str, paths)),
        })  # fmt: skip
        return
    _print(tree, built.config, memory)
    print_pictures(paths)


def memory_of(model: "Model") -> dict[str, int]:
    """Bytes in float32: the weights; weights, gradients and AdamW's two moments; keys and values of a full context.

    What a forward pass keeps for the backward pass comes on top of it; it depends on the batch.
    """
    weights = FLOAT32 * model.num_parameters()
    return {"weights": weights, "training": ADAMW * weights, "kv_cache": model.new_cache(1).num_bytes}


def _of_folder(folder: str, vocab_size: int | None) -> "Model":
    import hornbook
    from hornbook.errors import UserError

    if vocab_size is not None:
        raise UserError("a model folder has its vocabulary", hint="leave --vocab-size out")
    return hornbook.load(folder).model


def _of_recipe(name: str, vocab_size: int | None) -> "Model":
    """The recipe's model on the meta device: shapes without numbers. Errors: `UserError` where there is no such recipe."""
    from hornbook.commands._recipe import check_recipe, packaged_recipes, read_recipe
    from hornbook.commands._recipe_model import shapes_of, vocabulary_of
    from hornbook.errors import UserError, nearest

    if not name.endswith(".toml") and name not in packaged_recipes():
        near = nearest(name, packaged_recipes())
        hint = f"did you mean '{near}'? " if near else ""
        raise UserError(
            f"'{name}' is neither a recipe nor a model folder",
            hint=hint + "hornbook train lists the recipes, hornbook quickstart makes a model",
        )
    recipe = check_recipe(read_recipe(name))
    return shapes_of(recipe, vocabulary_of(recipe) if vocab_size is None else vocab_size)


def _print(tree: "Part", config: "ModelConfig", memory: dict[str, int]) -> None:
    from hornbook.commands._show_layers import rich_tree
    from hornbook.commands._show_terminal import console

    out = console()
    out.print(rich_tree(tree, out.width))
    if getattr(config, "tied_output", False):
        out.print("the output layer is the token embedding again (tied)", style="dim", soft_wrap=True)
    out.print()
    labels = {
        "weights": "weights, in float32",
        "training": "training with AdamW: weights, gradients, moments (no activations)",
        "kv_cache": f"keys and values of {config.context_length:,} tokens, for one text",
    }
    for name, label in labels.items():
        out.print(f"{_size(memory[name]):>10}  {label}", soft_wrap=True)


def _size(count: int) -> str:
    """Bytes in the next smaller unit of 1,024: 652038144 -> '621.8 MiB'."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count} B" if unit == "B" else f"{size:,.1f} {unit}"
