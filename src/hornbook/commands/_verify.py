"""The whole of verify-resume: one dataset, one training undisturbed, one killed and resumed, compared."""

import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.commands._jobs import check_settings, new_job
from hornbook.commands._pretraining import Pretraining
from hornbook.commands._recipe import find_recipe, read_recipe
from hornbook.commands._verify_certificate import Certificate, describe_machine
from hornbook.commands._verify_child import Child
from hornbook.commands._verify_compare import Comparison, compare
from hornbook.commands._verify_kills import Kill, Ordeal, Subject, draw_aims
from hornbook.commands._verify_timeline import Timeline, watch
from hornbook.commands.base import talk
from hornbook.config import Layer, read_toml
from hornbook.device import choose_device
from hornbook.errors import UserError
from hornbook.files import write_json
from hornbook.randomness import python_random
from hornbook.training.distributed import ALONE
from hornbook.training.run_folder import RunFolder
from hornbook.training.update import Training

CHECKPOINTS = 20  # so many on the way, where the recipe doesn't say how often
MOST_RUNS = 3  # trainings to kill, where one is over before all kills were delivered


@dataclass(frozen=True)
class Plan:
    """What the user asked for."""

    recipe: str
    settings: tuple[str, ...]
    kills: int
    seed: int
    data: Path | None
    out: Path | None
    device: str


def verify(plan: Plan) -> Certificate:
    """Do all of it. Errors: `UserError` for what a training would refuse, before anything is trained.

    The folder with both runs is kept where the user named it, or where something differs.
    """
    _check(plan)
    check_settings(read_recipe(plan.recipe, plan.settings))
    out = plan.out or Path(tempfile.mkdtemp(prefix="hornbook-verify-"))
    keep = plan.out is not None
    try:
        certificate = _certify(plan, out)
        if keep := keep or not certificate.exact:
            write_json(out / "certificate.json", certificate.as_json())
            talk(f"kept     {out}")
    finally:
        if not keep:
            shutil.rmtree(out, ignore_errors=True)
    return certificate


def _check(plan: Plan) -> None:
    if plan.kills < 1:
        raise UserError(f"kills must be at least 1, not '{plan.kills}'")
    if not hasattr(signal, "SIGKILL"):
        raise UserError("this system has no SIGKILL", hint="use Linux or macOS")
    if plan.out:
        RunFolder.check_new(plan.out)


def _certify(plan: Plan, out: Path) -> Certificate:
    """Prepare, train, kill, resume, compare, all below `out`."""
    begun = time.monotonic()
    job = new_job(read_recipe(plan.recipe, plan.settings), plan.data, out, ALONE)
    training, data = job.training, job.dataset.folder.absolute() if isinstance(job, Pretraining) else plan.data
    settings = (*plan.settings, *_more_checkpoints(training))
    layer = read_recipe(plan.recipe, settings)
    device = str(choose_device(plan.device))
    subject = Subject(plan.recipe, settings, data, device, training.steps, training.evaluate_every)
    timeline = _undisturbed(subject, out / "straight")
    kills, found = _killed(plan, subject, timeline, out)
    control = _control(subject, out) if found.differences and found.hashes else None
    return Certificate(
        plan.recipe, _changes(plan.recipe, layer), read_toml(out / "straight" / "run.toml"), timeline.last_step,
        describe_machine(device), plan.seed, plan.kills, tuple(kills), found, control, time.monotonic() - begun,
    )  # fmt: skip


def _more_checkpoints(training: Training) -> list[str]:
    """The setting that makes a training save often enough to be killed in it; nothing where the user or recipe says."""
    if training.checkpoint_every is not None:
        return []
    every = max(1, training.steps // CHECKPOINTS)
    talk(f"training.checkpoint_every is {every} here: the recipe saves only where it evaluates")
    return ["--training.checkpoint_every", str(every)]


def _undisturbed(subject: Subject, run: Path) -> Timeline:
    """Train once without interruption. Errors: `UserError` with what the training said where it failed."""
    talk(f"training {subject.steps:,} steps without interruption")
    sight = subject.sight(run)
    with Child(subject.train(run), _tell_steps) as child:
        timeline = watch(child, sight)
        code = child.wait()
    if code:
        raise UserError(
            child.last_words if code == 2 else f"the training ended with exit code {code}: {child.last_words}"
        )
    return timeline


def _killed(plan: Plan, subject: Subject, timeline: Timeline, out: Path) -> tuple[list[Kill], Comparison]:
    """Train with kills, and compare; in more than one run where one is over before all kills were delivered."""
    draw = python_random(plan.seed, "kills")
    aims, kills, found = draw_aims(plan.kills, draw), list[Kill](), Comparison({}, {}, [])
    for number in range(1, MOST_RUNS + 1):
        left = len(aims) - len(kills)
        talk("training again, with kills" if number == 1 else f"over before all kills: run {number} takes {left} more")
        ordeal = Ordeal(subject, out / ("killed" if number == 1 else f"killed-{number}"), timeline, draw)
        ordeal.go(aims[len(kills) :], lambda line: talk("  " + line))
        kills += ordeal.kills
        found = Comparison({}, {}, [ordeal.wrong]) if ordeal.wrong else compare(out / "straight", ordeal.run)
        if found.differences or len(kills) == len(aims):
            break
    return kills, found


def _control(subject: Subject, out: Path) -> str:
    """Where something differs: whether two trainings that nobody stops are the same on this machine at all."""
    talk("something differs: training once more without interruption, to see whether this machine repeats itself")
    try:
        _undisturbed(subject, out / "control")
    except UserError as error:
        return f"whether two trainings that nobody stops are the same here isn't known: {error}"
    differences = compare(out / "straight", out / "control").differences
    if differences:
        return (
            f"this machine's arithmetic doesn't repeat: two trainings that nobody stopped differ too, {differences[0]}"
        )
    return "two trainings that nobody stopped are the same here: it is the resuming that differs"


def _changes(recipe: str, layer: Layer) -> dict[str, dict[str, Any]]:
    """The settings that are not the recipe's own: "training.steps" -> {"recipe": 1000, "here": 60}."""
    own = read_toml(find_recipe(recipe))
    return {
        f"{section}.{key}": {"recipe": own.get(section, {}).get(key), "here": value}
        for section, keys in layer.items()
        for key, value in keys.items()
        if own.get(section, {}).get(key) != value
    }


def _tell_steps(line: str) -> None:
    if line.startswith("step "):
        talk("  " + line)
