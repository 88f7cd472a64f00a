"""A model of Hugging Face's hub by its name: fetched, or found in the cache, by the package `huggingface_hub`."""

import re
from pathlib import Path

from hornbook.errors import UserError
from hornbook.weights.imported import CARD, LICENCES, TAKEN
from hornbook.weights.tensor_files import INDEX

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
FETCHED = [*TAKEN, *LICENCES, CARD, "model*.safetensors", INDEX]  # no pickles: what isn't there can't be opened


def fetched_where_absent(name: Path | str) -> Path:
    """The path as it is; but 'owner/name' where nothing lies there, nor a folder 'owner', is fetched from the hub.

    Errors: `UserError` where fetching fails.
    """
    path = Path(name)
    if path.exists() or path.parent.name == "" or path.parent.exists() or not HUB_NAME.fullmatch(str(name)):
        return path
    return fetch(str(name))


def fetch(name: str) -> Path:
    """The newest release of a hub's model on this machine. Downloads go on where they stopped; offline the cache serves.

    Errors: `UserError` without the package, and for whatever the hub or the network refuses.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UserError(
            f"no folder '{name}' here, and models of the hub need the package huggingface_hub",
            hint="pip install 'hornbook[interop]'",
        ) from None
    try:
        return Path(snapshot_download(name, allow_patterns=FETCHED))
    except (OSError, ValueError) as error:  # what it raises for no network, no such model, no right to it
        reason = str(error).strip().splitlines()[0][:200].rstrip(".") if str(error).strip() else type(error).__name__
        raise UserError(
            f"no folder '{name}' here, and can't fetch '{name}' from the hub: {reason}",
            hint="is the name right and the network up?",
        ) from None
