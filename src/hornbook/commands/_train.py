"""One training from its recipe to its model folder, in each of the processes that share it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hornbook.commands._parts import build_parts, open_data
from hornbook.commands._recipe import check_recipe, read_recipe, resolved
from hornbook.commands._resume import resume_run
from hornbook.commands._run import go_on
from hornbook.commands.base import talk
from hornbook.files import sweep
from hornbook.training.deadline import Deadline
from hornbook.training.distributed import ALONE, World, restarts
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder


def train_run(
    recipe: str,
    flags: Sequence[str],
    data: Path | None,
    out: Path,
    *,
    deadline: Deadline | None = None,
    device: str = "auto",
    json: bool = False,
    world: World = ALONE,
) -> None:
    """Train `recipe` with these flags into the run folder `out`.

    Where torchrun has started all processes again, the run that they had begun goes on.
    """
    if restarts() and (out / "run.toml").exists():
        resume_run(out, (), None, deadline, device, json, world)
        return
    with world.in_turn():
        if world.is_first:
            RunFolder.check_new(out)
            sweep(out)
        checked = check_recipe(read_recipe(recipe, flags))
        checked = replace(checked, training=checked.training.shared_by(world.size))
        dataset = open_data(checked, data if world.is_first else data or checked.folder or out / "data", out)
    if (portions := checked.training.portions) % world.size:
        talk(f"{world.size} processes share the {portions} microbatches of a batch: some have less to do than others")
    parts = build_parts(checked, dataset, device, world)  # what is wrong with the text shows before there is a run
    settings = resolved(checked, dataset, out)
    run = RunFolder.create(out, settings) if world.is_first else None
    world.exchange()
    loop = Loop(parts, checked.training, checked.schedule, run or RunFolder(out), world=world, deadline=deadline)
    go_on(checked, dataset, loop, json)
