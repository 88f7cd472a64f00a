"""`hornbook resume`: a run goes on where its last intact checkpoint stands."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def resume(
    run: Path,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    after: Literal["skip", "slower"] | None = None,
    minutes: float | None = None,
    until: str | None = None,
    watch: bool = False,
    open: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Go on with a run that was stopped, from its newest intact checkpoint, with the settings in its run.toml.

    What comes out is what would have come without the stop, to the last bit, also with another number of processes.

    Parameters
    ----------
    run
        The run folder.
    settings
        --section.key value, for what may change on the way: --training.steps, evaluate_every, checkpoint_every,
        keep, patience and the like, and --generation. Everything else decides what the run computes.
    after
        After an incident: skip leaves that batch out, slower goes back to the last checkpoint with half the rate.
    minutes
        Be done in so many minutes: the schedule is fitted to the speed of the machine.
    until
        Be done by a time, as in --until 07:00.
    watch
        Serve a page for this machine with the curves and samples of the run while it trains.
    open
        Open that page in a browser.
    device
        auto, cpu, cuda or mps.
    json
        Print the result as one JSON object.
    """
    from hornbook.commands._deadline import deadline_of
    from hornbook.commands._resume import resume_run
    from hornbook.commands._watch import watching
    from hornbook.training.distributed import joined

    deadline = deadline_of(minutes, until)
    page = watching(run, watch, open)
    with joined() as world:
        resume_run(run, settings, after, deadline, device, json, world, page)
