"""One training from its recipe to its model folder, in each of the processes that share it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from hornbook.commands._jobs import new_job
from hornbook.commands._recipe import read_recipe
from hornbook.commands._resume import resume_run
from hornbook.commands._run import go_on
from hornbook.commands.base import talk
from hornbook.config import Layer
from hornbook.device import choose_device, has_bf16_unit
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
    page: AbstractContextManager[object] | None = None,
) -> None:
    """Train `recipe` with these flags into the run folder `out`; `page` is open while it trains.

    Where torchrun has started all processes again, the run that they had begun goes on.
    """
    if restarts() and (out / "run.toml").exists():
        resume_run(out, (), None, deadline, device, json, world, page or nullcontext())
        return
    layer = read_recipe(recipe, flags)
    begin(layer, data, out, deadline=deadline, device=device, json=json, world=world, page=page)


def begin(
    layer: Layer,
    data: Path | None,
    out: Path,
    *,
    deadline: Deadline | None = None,
    device: str = "auto",
    json: bool = False,
    world: World = ALONE,
    page: AbstractContextManager[object] | None = None,
) -> None:
    """Train by these settings, of whatever kind, into the run folder `out`."""
    bf16_unit = _have_bf16_unit(device, world)
    with world.in_turn():
        if world.is_first:
            RunFolder.check_new(out)
            sweep(out)
        job = new_job(layer, data, out, world, bf16_unit)
    if job.training.precision == "bf16" and layer.get("training", {}).get("precision", "auto") == "auto":
        talk("computing in bf16, which this device is made for (or --training.precision fp32)")
    if (portions := job.training.portions) % world.size:
        talk(f"{world.size} processes share the {portions} microbatches of a batch: some have less to do than others")
    parts = job.build(device, world)  # what is wrong with the text shows before there is a run
    run = RunFolder.create(out, job.settings(out)) if world.is_first else None
    world.exchange()
    loop = Loop(parts, job.training, job.schedule, run or RunFolder(out), world=world, deadline=deadline)
    go_on(job, loop, json, page or nullcontext())


def _have_bf16_unit(device: str, world: World) -> bool:
    """Whether the devices of all processes have a unit for bf16: they must compute alike, so one without decides."""
    return all(world.exchange("yes" if has_bf16_unit(choose_device(device)) else ""))
