"""How a run may go on otherwise than it began: with settings that may change, or after an incident."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from hornbook.commands._deadline import deadline_left
from hornbook.commands._jobs import check_settings, job_of
from hornbook.commands._run import go_on
from hornbook.commands._sections import sections_of
from hornbook.commands.base import talk
from hornbook.config import Layer, flag_layer, merge, to_toml
from hornbook.errors import UserError
from hornbook.files import remove_folder, sweep, write_atomic
from hornbook.training.checkpoint import (
    folder_of,
    load_checkpoint,
    newest_intact,
    step_of,
    steps_saved,
    weights_are_finite,
)
from hornbook.training.deadline import Deadline
from hornbook.training.distributed import World
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder

After = Literal["skip", "slower"]
MAY_CHANGE = {
    "training": (
        "steps",
        "evaluate_every",
        "checkpoint_every",
        "keep",
        "keep_every",
        "patience",
        "reduce",
        "sharded",
        "recompute",
    ),
    "generation": (),  # all of it
}
SLOWER = 0.5  # of the learning rate, after an incident


def check_changes(old: Layer, new: Layer) -> dict[str, list[object]]:
    """What differs: "training.steps" -> [12, 24].

    Errors: `UserError` for a setting that decides what the run computes: it would be another run's continuation.
    """
    changed = {
        f"{section}.{key}": [old[section].get(key), value]
        for section in sections_of(old)
        for key, value in new.get(section, {}).items()
        if old.get(section, {}).get(key) != value
    }
    for name, (before, after) in changed.items():
        section, _, key = name.partition(".")
        if section not in MAY_CHANGE or (MAY_CHANGE[section] and key not in MAY_CHANGE[section]):
            may = [f"training.{key}" for key in MAY_CHANGE["training"]]
            hint = f"train anew with it; what may change: {', '.join(may)}, generation"
            raise UserError(f"{name} is {before!r} in this run and can't become {after!r}", hint=hint)
    return changed


def write_settings(run: RunFolder, settings: Layer, changed: dict[str, list[object]], done: int) -> None:
    """Put changed settings into run.toml, and the change into metrics.jsonl."""
    if changed:
        write_atomic(run.path / "run.toml", to_toml(settings))
        run.append({"kind": "settings", "step": done, "changed": changed})
        run.flush()


def answer(run: RunFolder, settings: Layer, after: After) -> Layer:
    """The settings of a run that goes on after an incident, which is answered in metrics.jsonl.

    skip: the batch of that step is left out. slower: back to the last checkpoint whose weights are numbers, from there
    with half the rate; later checkpoints are deleted. Errors: `UserError` where no incident waits for an answer.
    """
    step = open_incident(run)
    if step is None:
        raise UserError(f"no incident of '{run.path}' waits for an answer", hint=f"hornbook resume {run.path}")
    training, schedule = settings["training"], settings.get("schedule", {})
    if after == "skip":
        changes: Layer = {"training": {**training, "skipped": [*training.get("skipped", ()), step]}}
    else:
        done = _back_to_numbers(run.checkpoints)
        changes = {"schedule": {**schedule, "lowered": [*schedule.get("lowered", ()), [done, SLOWER]]}}
    write_atomic(run.path / "run.toml", to_toml({**settings, **changes}))
    run.append({"kind": "choice", "step": step, "after": after})
    run.close()
    return {**settings, **changes}


def open_incident(run: RunFolder) -> int | None:
    """The step of the newest incident, where none of the two choices was made yet."""
    waiting = None
    for record in run.records():
        if record["kind"] in ("incident", "choice"):
            waiting = int(record["step"]) if record["kind"] == "incident" else None
    return waiting


def _back_to_numbers(checkpoints: Path) -> int:
    """Delete the checkpoints whose weights are no numbers; returns the step of the newest that is left, 0 for none."""
    while (newest := newest_intact(checkpoints)[0]) is not None and not weights_are_finite(newest):
        remove_folder(newest)
    done = step_of(newest)
    for step in steps_saved(checkpoints):
        if step > done:
            remove_folder(folder_of(checkpoints, step))
    return done


def resume_run(
    path: Path,
    flags: Sequence[str],
    after: After | None,
    deadline: Deadline | None,
    device: str,
    json: bool,
    world: World,
    page: AbstractContextManager[object],
) -> None:
    """Go on with the run at `path`; in each process of `world`. `page` is open while it trains."""
    with world.in_turn():
        run = RunFolder(path)
        done = _ready(run, flags, after) if world.is_first else 0
        job = job_of(path, run.settings)
    parts = job.build(device, world)
    done = int(world.exchange(str(done))[0])
    if done:
        load_checkpoint(folder_of(run.checkpoints, done), parts.model, parts.optimizer)
    deadline = deadline or deadline_left(list(run.records("plan")))
    loop = Loop(parts, job.training, job.schedule, run, done, world, deadline)
    if not loop.finished:
        talk(f"going on after step {done:,} of {loop.steps:,}")
    go_on(job, loop, json, page)


def _ready(run: RunFolder, flags: Sequence[str], after: After | None) -> int:
    """Put the run folder in order: leftovers of a kill, an incident's answer, changed settings, records after the checkpoint.

    Out: the step of the newest intact checkpoint, 0 where there is none.
    """
    sweep(run.path)
    before = run.settings
    settings = merge(before, flag_layer(flags, sections_of(before)))
    training = check_settings(settings)
    changed = check_changes(before, settings)
    checkpoint, messages = newest_intact(run.checkpoints)
    done = step_of(checkpoint)
    if "training.steps" in changed and training.steps <= done:
        raise UserError(
            f"{done:,} steps are done already; training.steps can't become {training.steps:,}", hint="name more"
        )
    waiting = open_incident(run)
    if after:
        settings = answer(run, settings, after)
        done = step_of(newest_intact(run.checkpoints)[0])
    elif waiting is not None:
        talk(f"step {waiting} went wrong before and will again, unless you say --after skip or --after slower")
    for message in messages:
        talk(message)
    run.rewind(done)
    write_settings(run, settings, changed, done)
    run.close()
    return done
