"""`hornbook train`: a recipe, trained."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def train(
    recipe: str | None = None,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    data: Path | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    out: Path | None = None,
    minutes: float | None = None,
    until: str | None = None,
    reduce: Literal["auto", "canonical", "fast"] | None = None,
    seeds: int | None = None,
    vary: tuple[str, ...] = (),
    watch: bool = False,
    open: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Train a model by a recipe: hornbook fetch tiny-shakespeare, then hornbook train shakespeare-char.

    Without RECIPE it lists the packaged ones. Every setting can be given in the file, in the environment
    (HORNBOOK_TRAINING_STEPS=500) or as a flag (--training.steps 500); a later one of these wins. Ctrl-C saves;
    hornbook resume OUT goes on. Several processes: torchrun --nproc-per-node 2 -m hornbook train RECIPE.

    Parameters
    ----------
    recipe
        The name of a packaged recipe, or the path of a .toml file.
    settings
        --section.key value, with the sections data, model, optimizer, schedule, training, generation.
    data
        A dataset folder made by hornbook prepare; without it the recipe's own source is prepared into OUT/data.
    from_
        A model folder or run to go on from: its settings and tokenizer take the place of the recipe's, its weights are
        the first ones. Short for --model.from; of its settings only --model.dropout may differ.
    out
        The run folder to make (default: runs/RECIPE).
    minutes
        Be done in so many minutes: steps and schedule are fitted to the speed of this machine, again and again.
    until
        Be done by a time, as in --until 07:00.
    reduce
        How several processes add their gradients: canonical gives the same weights for any number of them (the
        default on a CPU), fast adds in whatever order is quickest. Short for --training.reduce.
    seeds
        Train so many times, with the recipe's seed and the next ones, into OUT/seed-0, OUT/seed-1, ..., and report
        how far the losses spread. The same command again goes on where it was stopped.
    vary
        Train once for each value of a setting: --vary optimizer.learning_rate=1e-3,3e-3; given several times, once for
        each combination. The runs go to OUT/learning_rate=1e-3 and so on, and are listed by their losses.
    watch
        Serve a page for this machine with the curves and samples of the run while it trains.
    open
        Open that page in a browser.
    device
        auto, cpu, cuda or mps.
    json
        Print the result as one JSON object.
    """
    from hornbook.commands._recipe import recipe_lines
    from hornbook.commands.base import talk
    from hornbook.errors import UserError

    if recipe is None:
        talk("\n".join(recipe_lines()))
        raise UserError("no recipe given", hint="name one of these, or a .toml file of your own")

    from hornbook.commands._deadline import deadline_of
    from hornbook.commands._train import train_run
    from hornbook.commands._watch import watching
    from hornbook.training.distributed import joined

    several = seeds is not None or bool(vary)
    deadline = deadline_of(minutes, until)
    flags = [*settings, *(["--training.reduce", reduce] if reduce else [])]
    flags += ["--model.from", str(from_)] if from_ else []
    out = out or Path("runs") / Path(recipe).stem
    page = watching(out, watch, open, several=several)
    if several:
        from hornbook.commands._seeds import train_seeds
        from hornbook.commands._vary import train_varied

        if deadline:
            hint = "choose --training.steps; with a deadline each would take as many as it finds time for"
            raise UserError("--seeds and --vary can't have a deadline", hint=hint)
        if seeds is not None and vary:
            raise UserError(
                "--seeds and --vary are two questions", hint="vary first, then repeat the best with --seeds"
            )
        with page:
            if seeds is None:
                train_varied(recipe, flags, data, out, vary, device=device, json=json)
            else:
                train_seeds(recipe, flags, data, out, seeds, device=device, json=json)
        return
    with joined() as world:
        train_run(recipe, flags, data, out, deadline=deadline, device=device, json=json, world=world, page=page)
