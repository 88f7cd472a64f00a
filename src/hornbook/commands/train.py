"""`hornbook train`: a recipe, trained."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def train(
    recipe: str | None = None,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    data: Path | None = None,
    out: Path | None = None,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Train a model by a recipe: hornbook fetch tiny-shakespeare, then hornbook train shakespeare-char.

    Without RECIPE it lists the packaged ones. Every setting can be given in the file, in the environment
    (HORNBOOK_TRAINING_STEPS=500) or as a flag (--training.steps 500); a later one of these wins. Ctrl-C saves;
    hornbook resume OUT goes on.

    Parameters
    ----------
    recipe
        The name of a packaged recipe, or the path of a .toml file.
    settings
        --section.key value, with the sections data, model, optimizer, schedule, training, generation.
    data
        A dataset folder made by hornbook prepare; without it the recipe's own source is prepared into OUT/data.
    out
        The run folder to make (default: runs/RECIPE).
    device
        auto, cpu, cuda or mps.
    json
        Print the result as one JSON object.
    """
    from hornbook.commands._recipe import check_recipe, read_recipe, recipe_lines, resolved
    from hornbook.commands.base import talk
    from hornbook.errors import UserError

    if recipe is None:
        talk("\n".join(recipe_lines()))
        raise UserError("no recipe given", hint="name one of these, or a .toml file of your own")

    from hornbook.commands._parts import build_parts, open_data
    from hornbook.commands._run import go_on
    from hornbook.training.loop import Loop
    from hornbook.training.run_folder import RunFolder

    out = out or Path("runs") / Path(recipe).stem
    RunFolder.check_new(out)
    checked = check_recipe(read_recipe(recipe, settings))
    dataset = open_data(checked, data, out)
    parts = build_parts(checked, dataset, device)  # what is wrong with the text shows before there is a run
    run = RunFolder.create(out, resolved(checked, dataset, out))
    loop = Loop(parts, checked.training, checked.schedule, run)
    go_on(checked, dataset, loop, json)
