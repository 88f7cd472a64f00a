"""Which layer of a model went wrong first: a step is computed once more with an eye on every layer."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from hornbook.models.base import INITIAL_STD
from hornbook.training.probe import IN_OUTPUT, Extent, Probe, Sight

MODEL, LOGITS, LOSS = "the model itself", "the logits", "the loss"  # no layer of a name


@dataclass(frozen=True)
class Finding:
    """The layer, how it shows, and whether weights are to blame that were wrong before: no other batch mends these."""

    layer: str
    how: str
    in_weights: bool = False


@dataclass(frozen=True)
class Reading:
    """One layer in numbers: what came out of it (nothing where it is read without being called), weights, gradients."""

    layer: str
    output: Extent
    weights: Extent
    gradient: Extent

    @property
    def pull(self) -> float:
        """The norm of the gradient beside that of the weights; weights near 0 count as freshly drawn ones."""
        drawn = INITIAL_STD * math.sqrt(self.weights.count)
        return self.gradient.norm / max(self.weights.norm, drawn)


@dataclass(frozen=True)
class Examination:
    """The first wrong layer, and every layer that has weights in numbers, in the order in which they were computed."""

    finding: Finding
    readings: tuple[Reading, ...]


def first_wrong_layer(model: nn.Module, compute: Callable[[], object], loss: float = 0.0) -> Finding:
    """The finding of `examine`."""
    return examine(model, compute, loss).finding


def examine(model: nn.Module, compute: Callable[[], object], loss: float = 0.0) -> Examination:
    """Watch every layer while `compute` runs the forward and backward passes of the failed step.

    `compute` repeats that step's dropout and precision, leaves the gradients in the parameters, and takes no step of
    the optimizer. `loss` is what the step had. What goes wrong behind the model belongs to the loss. Where all numbers
    are finite, the finding is the layer whose gradient is the largest beside its weights. Gradients are cleared after.
    """
    model.zero_grad(set_to_none=True)
    probe = Probe(model)
    try:
        compute()
    finally:
        probe.remove()
    names = {module: name or MODEL for name, module in model.named_modules()}
    uncalled = [module for module in names if module not in probe.outputs]
    in_order = [*uncalled, *probe.outputs]
    readings = tuple(_reading(names[module], module, probe) for module in in_order if _has_weights(module))
    model.zero_grad(set_to_none=True)
    if probe.sight is not None:
        return Examination(_traced(model, names, probe, probe.sight), readings)
    if not math.isfinite(loss):
        return Examination(Finding(LOSS, "where logits and gradients are finite"), readings)
    return Examination(_largest_pull(readings), readings)


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def _reading(name: str, module: nn.Module, probe: Probe) -> Reading:
    weights, gradient = Extent(), Extent()
    for parameter in module.parameters(recurse=False):
        weights.take(parameter)
        if parameter.grad is not None:
            gradient.take(parameter.grad)
    return Reading(name, probe.outputs.get(module, Extent()), weights, gradient)


def _traced(model: nn.Module, names: dict[nn.Module, str], probe: Probe, sight: Sight) -> Finding:
    """What was seen first, with its cause.

    A module may read weights of its parts itself, as the model those of a tied output and of learned positions. Parts
    that were called only later had no share in it; and backward every weight has been read without harm.
    """
    if sight.module is None:
        return Finding(LOSS, sight.how)
    suspects = []
    if sight.called is not None:
        parts = list(sight.module.modules())
        suspects = [part for part in parts if part in sight.called or part not in probe.outputs or part is sight.module]
    for suspect in suspects:
        weights = _reading(names[suspect], suspect, probe).weights
        if weights.wrong:
            how = f"{weights.wrong:,} of whose {weights.count:,} weights are not finite"
            return Finding(names[suspect], how, in_weights=True)
    at_the_end = sight.module is model and sight.how == IN_OUTPUT
    return Finding(LOGITS if at_the_end else names[sight.module], sight.how)


def _largest_pull(readings: tuple[Reading, ...]) -> Finding:
    top = max(readings, key=lambda reading: reading.pull)
    how = f"whose gradient, {top.gradient.norm:.2g}, is the largest beside the weights, {top.weights.norm:.2g}"
    return Finding(top.layer, how)
