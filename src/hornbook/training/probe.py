"""Hooks on every layer of a model, which see how far its numbers reach, and where the first one is not finite.

Each module's inputs and outputs are looked at in the order of the forward pass, then their gradients in the order of
the backward pass.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

IN_OUTPUT = "in its output"


@dataclass
class Extent:
    """How far numbers reach: the largest size and the norm of the finite ones, and how many of how many are not finite."""

    largest: float = 0.0
    norm: float = 0.0
    wrong: int = 0
    count: int = 0

    def take(self, tensor: Tensor) -> bool:
        """Count a tensor's numbers in; returns whether all of them are finite."""
        sizes = tensor.detach().float().abs()
        finite = sizes.isfinite()
        wrong = finite.numel() - int(finite.sum())
        sound = sizes[finite] if wrong else sizes
        largest = float(sound.max()) if sound.numel() else 0.0
        if largest > 0:
            self.norm = math.hypot(self.norm, largest * float((sound / largest).norm()))  # squares would overflow
        self.largest = max(self.largest, largest)
        self.wrong += wrong
        self.count += finite.numel()
        return wrong == 0


@dataclass(frozen=True)
class Sight:
    """The first thing that was not finite: in which module's own work, how it shows, and who had been called by then.

    `module` is None where it is the work of what comes behind the model. `called` is None where it shows in a gradient.
    """

    module: nn.Module | None
    how: str
    called: frozenset[nn.Module] | None = None


class Probe:
    """Watches `model` until `remove`: `sight` is the first thing that was not finite, `outputs` what each module gave.

    What goes wrong between two modules is the work of the one that called them. Since each use of a tensor has its
    gradient taken apart from the others', sums of three and more gradients may be rounded otherwise than unwatched.
    """

    def __init__(self, model: nn.Module) -> None:
        self.sight: Sight | None = None
        self.outputs: dict[nn.Module, Extent] = {}  # in the order in which they were computed
        self._names = {module: name for name, module in model.named_modules()}
        self._running: list[nn.Module] = []  # the calls that are not over, the outermost first
        self._last = "the tokens"  # then the name of the module whose call ended last
        self._handles: list[RemovableHandle] = []
        for module in self._names:
            self._handles.append(module.register_forward_pre_hook(self._before))
            self._handles.append(module.register_forward_hook(self._after))
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad:
                    look = partial(self._look, module, f"in the gradient of its {name}")
                    self._handles.append(parameter.register_hook(look))

    def remove(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()

    @property
    def _caller(self) -> nn.Module | None:
        return self._running[-1] if self._running else None

    def _before(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """A call begins. Its inputs become views of their own, whose gradients are those of this use alone."""
        caller = self._caller
        self._running.append(module)
        if self.sight is None and caller is not None and not all(_finite(value) for value in inputs if _real(value)):
            self.sight = Sight(caller, f"between {self._last} and {self._names[module]}", frozenset(self.outputs))
        return tuple(self._own_view(module, value) for value in inputs)

    def _own_view(self, module: nn.Module, value: Any) -> Any:
        if not _real(value) or not value.requires_grad:
            return value
        view = value.view_as(value)
        view.register_hook(partial(self._look, module, "in the gradient of its input"))
        return view

    def _after(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """A call ends. What its output's gradient shows is the work of whoever reads it: the caller, or the loss."""
        self._running.pop()
        if not _real(output):
            return
        fine = self.outputs.setdefault(module, Extent()).take(output)
        if self.sight is None and not fine:
            self.sight = Sight(module, IN_OUTPUT, frozenset(self.outputs))
        self._last = self._names[module]
        if output.requires_grad:
            caller = self._caller
            how = (
                "in the gradient of finite logits" if caller is None else f"in the gradient of what reads {self._last}"
            )
            output.register_hook(partial(self._look, caller, how))

    def _look(self, module: nn.Module | None, how: str, gradient: Tensor) -> None:
        if self.sight is None and not _finite(gradient):
            self.sight = Sight(module, how)


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _real(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
