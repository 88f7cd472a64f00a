"""Whether another program computes a file of fewer bits as it must: no other, and no more apart than rounding explains.

What rounding explains is measured at the model itself: how far its logits move when the inputs of its matrices are
rounded as they are there (`rounded.py`). A wrong setting or a weight in the wrong place moves them further. So the rule
is one for all kinds: token ids are equal; the logits' largest and typical (root mean square) differences are within a
multiple of that movement; and a greedy token is our own likeliest, or behind it by no more than twice the margin.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from hornbook.errors import Failed
from hornbook.models.base import Model
from hornbook.weights.parity import TOLERANCE, Answers
from hornbook.weights.rounded import round_inputs, round_weights

LARGEST, TYPICAL = 2.0, 1.5  # times the movement by rounding; a program that rounds nothing is at 1


@dataclass(frozen=True)
class Expected:
    """What a file of fewer bits must say: logits (N, V) of all prompts' tokens one after the other, how far behind our
    likeliest each greedy token is, in logits; how far logits move by rounding inputs (largest, typical) and by the
    weights' fewer bits (largest)."""

    logits: Tensor
    behind: Tensor
    moved: tuple[float, float]
    moved_by_weights: float


@dataclass(frozen=True)
class RoundedReport:
    """What was compared and how far apart it was; a `margin` is what a difference may be, all in logits."""

    strings: int
    prompts: int
    largest_difference: float
    margin: float
    typical_difference: float
    typical_margin: float
    greedy_tokens: int
    greedy_equal: int
    furthest_behind: float
    moved_by_weights: float

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def expect(
    model: Model, prompts: Sequence[Sequence[int]], greedy: Sequence[Sequence[int]], quantization: str
) -> Expected:
    """Ask our own model, which is changed into its twin on the way. `greedy` is what the other wrote after `prompts`."""
    with torch.no_grad():
        exact = _read(model, prompts)
        round_weights(model, quantization)
        plain = exact if quantization == "f32" else _read(model, prompts)
        round_inputs(model, quantization)
        rounded = _read(model, prompts)
        behind = [_behind(model, prompt, written) for prompt, written in zip(prompts, greedy, strict=True)]
    return Expected(rounded, torch.cat(behind), _apart(rounded, plain), _apart(plain, exact)[0])


def compare_rounded(expected: Expected, theirs: Answers, whose: str) -> RoundedReport:
    """The report of a file that another program computes as it must.

    Errors: `Failed` naming the first thing that is otherwise.
    """
    found = torch.cat(theirs.logits)
    if found.shape != expected.logits.shape:
        raise Failed(f"logits are {tuple(expected.logits.shape)} here and {tuple(found.shape)} in {whose}")
    rounding = TOLERANCE * max(1.0, float(expected.logits.abs().max()))
    margin, typical_margin = LARGEST * expected.moved[0] + rounding, TYPICAL * expected.moved[1] + rounding
    largest, typical = _apart(found, expected.logits)
    for name, far, allowed in (("up to", largest, margin), ("typically", typical, typical_margin)):
        if not far <= allowed:  # so that nan fails too
            raise Failed(
                f"logits are {name} {far:.2g} from those of {whose}, and {allowed:.2g} is what rounding explains"
            )
    furthest = float(expected.behind.max()) if len(expected.behind) else 0.0
    if not furthest <= 2 * margin:
        raise Failed(
            f"a greedy token of {whose} is {furthest:.2g} behind ours, and {2 * margin:.2g} is what rounding explains"
        )
    equal = int((expected.behind == 0).sum())
    return RoundedReport(
        len(theirs.ids), len(theirs.logits), largest, margin, typical, typical_margin,
        greedy_tokens=len(expected.behind), greedy_equal=equal, furthest_behind=furthest,
        moved_by_weights=expected.moved_by_weights,
    )  # fmt: skip


def _read(model: Model, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Logits of every token of every prompt, (N, V)."""
    return torch.cat([model(torch.tensor([list(prompt)]))[0].float() for prompt in prompts])


def _behind(model: Model, prompt: Sequence[int], written: Sequence[int]) -> Tensor:
    """How far each token written is behind the likeliest, (N,), each after the tokens before it: 0 where it is that."""
    if not written:
        return torch.zeros(0)
    logits = model(torch.tensor([[*prompt, *written[:-1]]]))[0, len(prompt) - 1 :].float()
    behind: Tensor = logits.amax(-1) - logits.gather(-1, torch.tensor(written)[:, None])[:, 0]
    return behind


def _apart(found: Tensor, expected: Tensor) -> tuple[float, float]:
    """The largest and the typical difference."""
    difference = found - expected
    return float(difference.abs().max()), float(difference.square().mean().sqrt())
