"""ONNX, a graph that other runtimes compute, in any language and without torch: https://onnx.ai.

The graph is traced by `torch.onnx` from the model's own code; nothing is written a second time here.
    input_ids (B, T) int64 -> logits (B, T, V) float32, where B is any number and T goes to the context's length
B batch, T tokens, V vocabulary.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hornbook.errors import UserError
from hornbook.models._traced import Traced
from hornbook.models.base import Model
from hornbook.version import __version__
from hornbook.weights.exported import Exported
from hornbook.weights.model_folder import format_of

if TYPE_CHECKING:
    from onnx_ir import Model as Graph

GRAPH, WEIGHTS = "model.onnx", "model.onnx.data"
INPUT, OUTPUT = "input_ids", "logits"
NEEDED = ("onnx", "onnxscript")
OPSET = 20  # the release of ONNX's operators that torch.onnx writes by itself
APART = 100_000_000  # bytes of weights from which they get a file of their own: a graph's ends at 2 GB, and is built
# in memory, four times over, while this one is written tensor by tensor
EXAMPLE = 2, 7  # texts and tokens that are traced; a 1 would be taken for a size that never changes


def write_onnx(folder: Path, model: Model, texts: Mapping[str, str] | None = None) -> Exported:
    """Write model.onnx into a folder, and model.onnx.data where the weights are large. `texts` are kept in the graph.

    The same model gives the same bytes. In memory are the weights, once, and what torch.onnx needs itself.
    Errors: `UserError` without the packages, for a model that torch.onnx can't trace, and weights that are no numbers.
    """
    require_packages()
    require_numbers(model)
    program = _trace(model)
    graph = program.model
    _forget_the_place(graph)
    about = {"context_length": model.config.context_length, "vocab_size": model.config.vocab_size}
    graph.metadata_props.update({"hornbook.version": __version__} | {key: str(value) for key, value in about.items()})
    graph.metadata_props.update(texts or {})
    program.save(folder / GRAPH, external_data=num_bytes(model) >= APART)
    kinds = {name: value.const_value.dtype.short_name() for name, value in graph.graph.initializers.items()}
    weights = {name: kind for name, kind in kinds.items() if kind.startswith("f")}  # not the graph's own constants
    return Exported(format_of(model).model_type, weights)


def num_bytes(model: Model) -> int:
    """What the weights take in the file."""
    return 4 * model.num_parameters()


def require_packages() -> None:
    """Raise `UserError` where what torch.onnx needs isn't installed."""
    for package in NEEDED:
        if find_spec(package) is None:
            raise UserError(
                f"writing ONNX needs the package '{package}'", hint="install it with: pip install 'hornbook[interop]'"
            )


def require_numbers(model: Model) -> None:
    """Raise `UserError` where a weight is no number."""
    for name, tensor in model.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise UserError(f"'{name}' holds a weight that is no number", hint="this model's training has failed")


def _trace(model: Model) -> Any:
    """The program of torch.onnx, whose batch and sequence are free."""
    length = model.config.context_length
    count, tokens = EXAMPLE[0], min(EXAMPLE[1], length)
    free = {0: torch.export.Dim("batch")} | ({1: torch.export.Dim("sequence", max=length)} if length > 1 else {})
    try:
        with _silent(), torch.no_grad():
            return torch.onnx.export(
                Traced(model).eval(),
                (torch.zeros(count, tokens, dtype=torch.int64),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={INPUT: free},
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0][:200]
        raise UserError(f"torch.onnx can't write a {format_of(model).model_type}: {reason}") from error


@contextmanager
def _silent() -> Iterator[None]:
    """Without what torch.onnx says of packages that it doesn't find and of its own code."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _forget_the_place(model: "Graph") -> None:
    """Take out where each node came from: lines of code and paths of this machine, more bytes than a small model has."""
    from onnx_ir.traversal import RecursiveGraphIterator

    graph = model.graph
    values = [*graph.inputs, *graph.initializers.values()]
    for node in RecursiveGraphIterator(graph):
        node.metadata_props.clear()
        values += node.outputs
    for value in values:
        value.metadata_props.clear()
    graph.metadata_props.clear()
