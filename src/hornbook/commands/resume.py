"""`hornbook resume`: a run goes on where its last intact checkpoint stands."""

from pathlib import Path

from hornbook.commands.base import talk


def resume(run: Path, /, *, device: str = "auto", json: bool = False) -> None:
    """Go on with a run that was stopped, from its newest intact checkpoint, with the settings in its run.toml.

    Parameters
    ----------
    run
        The run folder.
    device
        auto, cpu, cuda or mps.
    json
        Print the result as one JSON object.
    """
    from hornbook.commands._parts import build_parts, dataset_of_run
    from hornbook.commands._recipe import check_recipe
    from hornbook.commands._run import go_on
    from hornbook.training.checkpoint import load_checkpoint, newest_intact
    from hornbook.training.loop import Loop
    from hornbook.training.run_folder import RunFolder

    folder = RunFolder(run)
    settings = folder.settings
    recipe = check_recipe(settings)
    dataset = dataset_of_run(run, settings)
    parts = build_parts(recipe, dataset, device)
    checkpoint, messages = newest_intact(folder.checkpoints)
    for message in messages:
        talk(message)
    done = load_checkpoint(checkpoint, parts.model, parts.optimizer) if checkpoint else 0
    folder.rewind(done)
    loop = Loop(parts, recipe.training, recipe.schedule, folder, done)
    if not loop.finished:
        talk(f"going on after step {loop.done:,} of {loop.training.steps:,}")
    go_on(recipe, dataset, loop, json)
