"""`hornbook serve`: a model for other programs, over HTTP."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hornbook.device import WeightPrecision


def serve(
    model: str,
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    template: str | None = None,
    data: Path | None = None,
    precision: WeightPrecision = "fp32",
    device: str = "auto",
    open: Annotated[bool, Parameter(negative="")] = False,
    without_key: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Serve a model with OpenAI's API, for this machine: hornbook serve runs/tales

    Paths: /v1/models, /v1/completions, /v1/chat/completions, /v1/embeddings, /health, /metrics; of a classifier
    /v1/classify. Requests that run at the same time share each step of the model. Ctrl-C lets them finish.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model or classifier.
    host
        Where to listen; another one than this machine's own needs --api-key.
    port
        The port.
    api_key
        What a client must send (Authorization: Bearer KEY); better in the variable HORNBOOK_API_KEY, which other
        users of the machine don't see.
    template
        The chat template where the model has none: chatml, alpaca, phi3, plain or a file.
    data
        The dataset folder that the model was trained on, where it no longer lies where it lay: for the view Where from.
    precision
        fp32 computes exactly what was trained; with bf16, int8 or int4 weights it writes faster, and a little otherwise.
    device
        auto, cpu, cuda or mps.
    open
        Open the page in a browser.
    without_key
        Listen on another host without a key: whoever reaches the port may use the model.
    """
    from hornbook.commands._serve import Serving, run_server

    run_server(Serving(model, host, port, api_key, template, device, open, without_key, data, precision))
