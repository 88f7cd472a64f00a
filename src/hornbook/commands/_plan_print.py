"""A plan in words, 80 columns wide."""

import textwrap
from collections.abc import Iterator

from hornbook.commands._plan_make import Plan
from hornbook.training.hardware import DEVICES_A_NODE, START_SECONDS, UTILISATION, Machine
from hornbook.training.pace import slowest_of, step_on
from hornbook.training.plan import looks_of

WIDTH, LABEL = 80, 10
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
FLOPS = ((1e21, "ZFLOP"), (1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"))
TIMES = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"), (1e-3, "ms"))


def print_plan(plan: Plan) -> None:
    """Print it to stdout."""
    print(f"{plan.recipe} on {plan.place.name}\n")
    for label, text in _lines(plan):
        print(textwrap.fill(text, WIDTH, initial_indent=f"{label:<{LABEL}}", subsequent_indent=" " * LABEL,
                            break_long_words=False, break_on_hyphens=False))  # fmt: skip


def measure(count: float, units: tuple[tuple[float, str], ...]) -> str:
    """A number in the largest unit of which it has one: 4.3e9, SIZES -> '4.3 GB'."""
    size, unit = next(((size, unit) for size, unit in units if count >= size), units[-1])
    value = count / size
    return f"{value:,.0f} {unit}" if value >= 100 or size == units[-1][0] else f"{value:.1f} {unit}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _brief(number: float) -> str:
    """Two figures: 163829 -> '160,000', 0.00683 -> '0.0068'."""
    return f"{float(f'{number:.2g}'):,.0f}" if number >= 10 else f"{number:.2g}"


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """(label, text) of each line; a label of '' goes on with the one before."""
    yield "model", f"{plan.job.sizes.parameters:,} parameters, vocabulary {plan.text.vocab_size:,}"
    yield from _tokens(plan)
    yield "computes", _computed(plan)
    yield from _memory(plan)
    yield "disk", _disk(plan)
    yield from _time(plan)
    yield from _end(plan)


def _tokens(plan: Plan) -> Iterator[tuple[str, str]]:
    text, training, work = plan.text, plan.job.training, plan.work
    if text.train is not None:
        yield "text", f"{text.train:,} tokens to train on, {text.val or 0:,} to validate"
    if text.note:
        yield "" if text.train else "text", text.note
    epochs = f", {_brief(plan.epochs)} times the text" if plan.epochs else ""
    yield (
        "reads",
        f"{work.tokens:,} tokens in {_count(training.steps, 'step')} of {training.batch_size} x "
        f"{plan.job.config.context_length}{epochs}; {_brief(work.tokens_per_parameter)} tokens a parameter",
    )


def _computed(plan: Plan) -> str:
    work = plan.work
    return (
        f"{measure(work.flops_a_step, FLOPS)} a step, {measure(work.flops, FLOPS)} in all: 6 x weights x tokens "
        f"({work.weight_share:.0%} of a pass) and 12 x layers x width x context x tokens for attention"
        + (", in bf16" if plan.job.precision == "bf16" else "")
        + (", beside Muon's own" if plan.job.sizes.update_flops else "")
    )


def _memory(plan: Plan) -> Iterator[tuple[str, str]]:
    memory, place = plan.memory, plan.place
    each = " on each device" if plan.job.devices > 1 else ""
    free = "" if place.free is None else f", {measure(place.free, SIZES)} free now"
    yield (
        "memory",
        f"{measure(memory.peak, SIZES)} at most{each}, in the {memory.moment}; {measure(place.memory, SIZES)} there{free}",
    )
    parts = {
        "the process": memory.process,
        "weights": memory.weights,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
        "activations": memory.activations,
        "logits": memory.logits,
    }
    yield "", ", ".join(f"{name} {measure(count, SIZES)}" for name, count in parts.items()) + "; not all at one moment"
    if plan.job.sizes.kv_cache:
        yield "", f"generating takes {measure(plan.job.sizes.kv_cache, SIZES)} more for each text, for keys and values"


def _disk(plan: Plan) -> str:
    disk, kept = plan.disk, looks_of(plan.job.training).kept
    dataset = "" if disk.dataset is None else f", the dataset {measure(disk.dataset, SIZES)}"
    return (
        f"{measure(disk.total, SIZES)} at most: {_count(kept, 'checkpoint')} of {measure(disk.checkpoint, SIZES)}, "
        f"the model {measure(disk.model, SIZES)}{dataset}"
    )


def _time(plan: Plan) -> Iterator[tuple[str, str]]:
    duration, pace, machine = plan.duration, plan.pace, plan.place.machine
    if duration is None or pace is None:
        yield "time", "unknown: there isn't the memory to try a step"
        return
    looks = looks_of(plan.job.training).evaluations
    evaluated = measure(duration.evaluations, TIMES) if pace.evaluation is not None else "unknown"
    yield (
        "time",
        f"{measure(duration.total, TIMES)}: {_count(plan.job.training.steps, 'step')} of {measure(pace.step, TIMES)}, "
        f"{_count(looks, 'evaluation')} {evaluated}, samples {measure(duration.samples, TIMES)}, checkpoints "
        f"{measure(duration.checkpoints, TIMES)}, the end {measure(duration.ending, TIMES)}",
    )
    yield "", "measured here by a few steps" if machine is None else _assumed(plan, machine)
    if plan.dollars is not None and machine is not None:
        rate = machine.count * machine.device.dollars
        yield "cost", f"{plan.dollars:,.2f} dollars, if an hour costs {rate:,.2f} (assumed)"


def _assumed(plan: Plan, machine: Machine) -> str:
    """What the time on a machine that isn't here rests on."""
    share, precision = UTILISATION[plan.job.precision], plan.job.precision
    waits = slowest_of(step_on(plan.job, machine))
    return (
        f"computed, not measured: {share:.0%} of the {precision} peak, {START_SECONDS * 1e6:.0f} microseconds to start an "
        f"operation, weights and gradients at {machine.link / 1e9:.0f} GB/s; a pass waits for: {waits}"
    )


def _end(plan: Plan) -> Iterator[tuple[str, str]]:
    job, machine = plan.job, plan.place.machine
    if job.microbatches < job.devices:
        rows = max(1, job.training.batch_size // job.devices)
        yield (
            "note",
            f"only {job.microbatches} of {job.devices} devices have a microbatch: --training.microbatch_size {rows}",
        )
    if machine is not None and machine.count > DEVICES_A_NODE and machine.count % DEVICES_A_NODE:
        yield "note", f"{machine.count} devices are counted as nodes of {DEVICES_A_NODE}"
    yield "", ""
    if plan.fits:
        free = plan.place.free
        tight = free is not None and plan.memory.peak > free
        yield "fits", "but other programs hold the memory now" if tight else "yes"
        return
    yield "fits", f"no: {measure(plan.memory.peak, SIZES)} needed, {measure(plan.place.memory, SIZES)} there"
    if plan.mend is None:
        yield "", "no smaller microbatch, context or number of layers makes it fit"
    else:
        yield "try", f"{plan.mend.flags}"
        yield "", f"{plan.mend.what}: {measure(plan.mend.peak, SIZES)} at most"
