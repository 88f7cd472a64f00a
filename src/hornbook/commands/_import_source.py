"""SOURCE of an import: a folder, or a name on the hub, which is fetched (or found in the cache) by `huggingface_hub`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hornbook.commands._import_foreign import as_model_folder, format_of_file
from hornbook.errors import UserError
from hornbook.weights.hub import HUB_NAME, fetch
from hornbook.weights.model_folder import CONFIG


def require_absent(out: Path) -> None:
    """Raise `UserError`, before anything is fetched or read, where something stands at `out` already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"'{out}' already exists", hint="choose another folder or remove it")


@contextmanager
def opened_source(source: str, tokenizer: Path | None) -> Iterator[tuple[Path, dict[str, str]]]:
    """The folder in Hugging Face's layout that SOURCE is, or that it becomes for as long as it is needed.

    Errors: `UserError`, as `find_source`, and for a tokenizer where it belongs to none.
    """
    path = Path(source)
    kind = format_of_file(path)
    if kind is None:
        if tokenizer is not None:
            raise UserError("--tokenizer belongs to a .bin of llama2.c", hint="leave it out: SOURCE has its own")
        yield find_source(source)
        return
    with TemporaryDirectory(prefix="hornbook-import-") as place:
        yield as_model_folder(path, kind, tokenizer, Path(place) / "model"), {"source": path.name, "format": kind}


def find_source(source: str) -> tuple[Path, dict[str, str]]:
    """The folder that SOURCE stands for, and what is known of its origin.

    Errors: `UserError` where it is neither a folder nor a name that the hub could have, or fetching fails.
    """
    folder = Path(source)
    if folder.is_dir():
        model = folder / "model"  # of a run
        inside = (folder / "run.toml").is_file() and (model / CONFIG).is_file()
        return model if inside else folder, {"source": folder.absolute().name}
    if folder.suffix in (".bin", ".pt", ".pth", ".ckpt", ".safetensors", ".gguf") or folder.is_file():
        raise UserError(f"'{source}' is a file, not a folder", hint="name the folder with its config.json")
    if not HUB_NAME.fullmatch(source):
        raise UserError(f"no such folder '{source}'", hint="a folder, or a name on the hub like 'owner/model'")
    fetched = fetch(source)
    return fetched, {"source": f"https://huggingface.co/{source}", "revision": fetched.name}
