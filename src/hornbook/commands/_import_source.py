"""SOURCE of an import: a folder, or a name on the hub, which is fetched (or found in the cache) by `huggingface_hub`."""

import re
from pathlib import Path

from hornbook.errors import UserError
from hornbook.weights.imported import CARD, LICENCES, TAKEN
from hornbook.weights.tensor_files import INDEX

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
FETCHED = [*TAKEN, *LICENCES, CARD, "model*.safetensors", INDEX]  # no pickles: what isn't there can't be opened


def require_absent(out: Path) -> None:
    """Raise `UserError`, before anything is fetched or read, where something stands at `out` already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"'{out}' already exists", hint="choose another folder or remove it")


def find_source(source: str) -> tuple[Path, dict[str, str]]:
    """The folder that SOURCE stands for, and what is known of its origin.

    Errors: `UserError` where it is neither a folder nor a name that the hub could have, or fetching fails.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder, {"source": folder.absolute().name}
    if folder.suffix in (".bin", ".pt", ".pth", ".ckpt", ".safetensors", ".gguf") or folder.is_file():
        raise UserError(f"'{source}' is a file, not a folder", hint="name the folder with its config.json")
    if not HUB_NAME.fullmatch(source):
        raise UserError(f"no such folder '{source}'", hint="a folder, or a name on the hub like 'owner/model'")
    fetched = _fetch(source)
    return fetched, {"source": f"https://huggingface.co/{source}", "revision": fetched.name}


def _fetch(name: str) -> Path:
    """The newest release of a hub's model on this machine. Downloads go on where they stopped; offline the cache serves."""
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
            f"can't fetch '{name}' from the hub: {reason}", hint="is the name right and the network up?"
        ) from None
