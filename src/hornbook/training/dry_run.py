"""A step without numbers: a model's forward and backward pass on tensors that have shapes and take no memory.

Every tensor that the real pass would allocate is counted when it comes and when it goes, so the most that is held at
once is found exactly, for a model of any size. Matrix products are counted on the way. Of a pass every stage has a peak
of its own; blocks are alike, so a deep model is found from one of two blocks and one of three (tested to be the same).
"""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from hornbook.device import Precision, autocast
from hornbook.layers.loss import hidden_loss
from hornbook.models.base import Model, ModelConfig, SelfAttention
from hornbook.training.blocks import running

FEW, MORE = 2, 3  # blocks of the two small models that a deeper one is found from
LARGE = 32 << 20  # bytes from which glibc gives a tensor pages of its own, and takes them back when it goes

# made: the first microbatch of a step makes the gradients. added: a later one adds to them. parted: each leaves as soon
# as it is whole, as it does where every process keeps a part of it.
Gradients = Literal["made", "added", "parted"]
Found = TypeVar("Found")


@dataclass(frozen=True)
class DryRun:
    """What one microbatch holds (bytes beyond the weights) and computes."""

    weights: int  # bytes, tables of positions among them
    activations: int  # bytes that wait for the backward pass when the last block is done
    forward: int  # the most held at once in the forward pass
    output: int  # in the backward pass of loss and output layer
    last_block: int  # in the backward pass of the last block, where it begins
    first_block: int
    embedding: int  # in the backward pass of what comes before the blocks
    weight_flops: int  # forward and backward: products with weights
    attention_flops: int  # products of queries, keys and values, in whole squares
    operations: int  # that Python starts, forward and backward

    @property
    def stages(self) -> dict[str, int]:
        """Where in the pass how much is held at most."""
        return {
            "forward pass": self.forward,
            "backward pass of the output layer": self.output,
            "backward pass of the last block": self.last_block,
            "backward pass of the first block": self.first_block,
            "end of the backward pass": self.embedding,
        }

    @property
    def flops(self) -> int:
        """All of them."""
        return self.weight_flops + self.attention_flops


@dataclass(frozen=True)
class Portion:
    """One microbatch of `rows` whole contexts. `fused`: attention keeps no dropout, as on a GPU.

    `heap`: bytes that a byte of a tensor smaller than `LARGE` comes to, in a heap that doesn't fill all its holes.
    """

    rows: int
    precision: Precision = "fp32"
    fused: bool = False
    gradients: Gradients = "made"
    heap: float = 1.0
    recompute: bool = False


@cache
def dry_run(model_class: type[Model], config: ModelConfig, portion: Portion) -> DryRun:
    """What one microbatch of this model holds and computes."""
    return by_depth(lambda shallow: _pass(model_class, shallow, portion), config)


def by_depth(found: Callable[[ModelConfig], Found], config: ModelConfig) -> Found:
    """What `found` says of a config, a dataclass of numbers that grow by the same with every block."""
    layers = int(getattr(config, "num_layers", 0))
    if layers <= MORE:
        return found(config)
    few, more = (found(config.model_copy(update={"num_layers": size})) for size in (FEW, MORE))
    return type(few)(**{name: low + (getattr(more, name) - low) * (layers - FEW) for name, low in vars(few).items()})


class Held(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that live: `now`, and at each `mark` the most since the one before."""

    def __init__(self, heap: float = 1.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.heap = heap
        self.now = self.most = self.operations = self.weight_flops = self.attention_flops = 0
        self.marks: list[int] = []
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation; count what it made and multiplied."""
        result = func(*args, **(kwargs or {}))
        if func.namespace == "aten":
            self.operations += not func.is_view
            self._multiplied(func.overloadpacket.__name__, args)
        for item in tree_iter(result):
            if isinstance(item, Tensor):
                self.count(item)
        return result

    def count(self, tensor: Tensor) -> None:
        """Count a tensor's memory, once for all tensors that share it, until the last of them is gone."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            size = storage.nbytes()
            self._sizes[key] = size if size >= LARGE else round(size * self.heap)
            self.now += self._sizes[key]
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._gone, key)

    def leave_out(self, tensors: Iterable[Tensor]) -> None:
        """Tensors whose memory is counted elsewhere."""
        self._sizes |= {tensor.untyped_storage()._cdata: 0 for tensor in tensors}

    def mark(self, *_: object) -> None:
        """Note the most since the last mark, and begin again."""
        self.marks.append(self.most)
        self.most = self.now

    def _gone(self, key: int) -> None:
        self.now -= self._sizes.pop(key)

    def _multiplied(self, name: str, args: Any) -> None:
        """A product (A, B) x (B, C) has 2 A B C FLOPs; attention has two products, and four going back."""
        match name:
            case "mm" | "addmm" | "addmm_":
                left, right = args[-2:]
                self.weight_flops += 2 * left.numel() * right.shape[1]
            case "bmm" | "baddbmm":
                left, right = args[-2:]
                self.attention_flops += 2 * left.numel() * right.shape[2]
            case "_scaled_dot_product_flash_attention_for_cpu":
                self.attention_flops += 4 * args[0].numel() * args[1].shape[2]
            case "_scaled_dot_product_flash_attention_for_cpu_backward":
                self.attention_flops += 8 * args[1].numel() * args[2].shape[2]


def _pass(model_class: type[Model], config: ModelConfig, portion: Portion) -> DryRun:
    """Forward and backward of one microbatch, counted."""
    held = Held(portion.heap)
    with FakeTensorMode():
        model = model_class(config).train()
        tokens = torch.zeros(portion.rows, config.context_length, dtype=torch.int64)
        held.count(tokens)
        weights = [*model.parameters(), *model.buffers()]
        held.leave_out(weights)
        _make_ready(model, portion, held)
        with held, running(model, recompute=portion.recompute):
            with autocast(torch.device("cpu"), portion.precision):
                hidden = model.hidden(tokens)
                activations = held.now
                loss, _ = hidden_loss(model, hidden, tokens)
            del hidden
            held.mark()
            loss.backward()  # type: ignore[no-untyped-call]
            held.mark()
    forward, *backward, embedding = held.marks
    output, *blocks = backward or [embedding]  # a model without blocks has one stage
    blocks = blocks or [embedding]
    return DryRun(
        weights=sum(weight.nbytes for weight in weights),
        activations=activations,
        forward=forward,
        output=output,
        last_block=blocks[0],
        first_block=blocks[-1],
        embedding=embedding,
        weight_flops=held.weight_flops,
        attention_flops=held.attention_flops,
        operations=held.operations,
    )


def _make_ready(model: Model, portion: Portion, held: Held) -> None:
    """What the portion asks of the model, and a mark where the backward pass comes to a block and where it leaves it."""
    model.check_tokens = _no_check  # type: ignore[method-assign]
    for module in model.modules():
        if isinstance(module, SelfAttention) and portion.fused:
            module.dropout = 0.0  # type: ignore[assignment]
    for parameter in model.parameters():
        if portion.gradients == "added":
            parameter.grad = torch.zeros_like(parameter)
            held.count(parameter.grad)
        if portion.gradients == "parted":
            parameter.register_post_accumulate_grad_hook(_leave)  # type: ignore[no-untyped-call]
    blocks = list(getattr(model, "blocks", ()))
    for block in blocks:
        block.register_forward_pre_hook(lambda _, inputs: inputs[0].register_hook(held.mark) and None)
    for block in blocks[-1:]:
        block.register_forward_hook(lambda _, inputs, output: output.register_hook(held.mark) and None)


def _no_check(tokens: Tensor, past: int = 0) -> None:
    """Tokens without numbers can't be checked."""


def _leave(parameter: Tensor) -> None:
    parameter.grad = None
