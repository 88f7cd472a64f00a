"""A model of Hugging Face's hub by its name: fetched, or found in the cache, by the package `huggingface_hub`."""

import hashlib
import re
from pathlib import Path

from hornbook.errors import UserError
from hornbook.files import sha256_of
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

    Errors: `UserError` without the package, for whatever the hub or the network refuses, and for other bytes than the
    hub has.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UserError(
            f"no folder '{name}' here, and models of the hub need the package huggingface_hub",
            hint="pip install 'hornbook[interop]'",
        ) from None
    try:
        folder = Path(snapshot_download(name, allow_patterns=FETCHED))
    except (OSError, ValueError) as error:  # what it raises for no network, no such model, no right to it
        reason = str(error).strip().splitlines()[0][:200].rstrip(".") if str(error).strip() else type(error).__name__
        raise UserError(
            f"no folder '{name}' here, and can't fetch '{name}' from the hub: {reason}",
            hint="is the name right and the network up?",
        ) from None
    require_whole(folder, name)
    return folder


def require_whole(folder: Path, name: str) -> None:
    """Raise `UserError` for a file whose bytes have another hash than the hub stated, and take it out of the cache.

    The cache keeps each file under the hash that the hub gave for it: sha256 of large files, git's sha1 of others.
    huggingface_hub itself doesn't compare them. A file that lies there under no hash is passed over.
    """
    for path in sorted(folder.iterdir()):
        blob = path.resolve()
        if not path.is_symlink() or (found := _hash_as(blob, blob.name)) is None or found == blob.name:
            continue
        path.unlink()
        blob.unlink()
        raise UserError(
            f"'{path.name}' of '{name}' is not what the hub has: its hash is {found[:12]}..., there {blob.name[:12]}...",
            hint="it was taken out of the cache; fetch it again",
        )


def _hash_as(path: Path, known: str) -> str | None:
    """The hash of a file, of the kind that `known` is; None where that is none."""
    if re.fullmatch("[0-9a-f]{64}", known):
        return sha256_of(path)
    if re.fullmatch("[0-9a-f]{40}", known):
        data = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return None
