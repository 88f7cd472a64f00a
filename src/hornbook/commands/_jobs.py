"""Which kind of job settings describe."""

from pathlib import Path

from hornbook.commands._finetuning import Finetuning
from hornbook.commands._job import Job
from hornbook.commands._pretraining import Pretraining
from hornbook.commands._sections import is_finetuning
from hornbook.config import Layer
from hornbook.training.blocks import require_compiler
from hornbook.training.distributed import World
from hornbook.training.update import Training


def new_job(layer: Layer, data: Path | None, out: Path, world: World, bf16_unit: bool = False) -> Job:
    """See `Job.new`; the settings say of which kind it is. What this machine lacks is said before a text is prepared."""
    _require_tools(check_settings(layer))
    return _kind(layer).new(layer, data, out, world, bf16_unit)


def check_settings(layer: Layer) -> Training:
    """See `Job.check`."""
    return _kind(layer).check(layer)


def job_of(run: Path, settings: Layer) -> Job:
    """See `Job.of_run`."""
    job = _kind(settings).of_run(run, settings)
    _require_tools(job.training)
    return job


def _require_tools(training: Training) -> None:
    if training.compile:
        require_compiler()


def _kind(layer: Layer) -> type[Job]:
    return Finetuning if is_finetuning(layer) else Pretraining
