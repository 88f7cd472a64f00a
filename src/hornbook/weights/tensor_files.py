"""The weights of a model folder on disk: one safetensors file, or several with an index; read one tensor at a time.

Files are mapped into memory, a tensor is copied out and the map let go: while a model is read, memory holds the model
and the tensor at hand, not the files as well.
"""

from functools import partial
from pathlib import Path

import safetensors
from safetensors import safe_open
from torch import Tensor

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.weights.disk_format import Unread

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"  # which file holds which tensor, where they are too big for one
CONVERT = (
    "take a safetensors release, or convert it where nothing can be harmed: "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'model.safetensors')"
)
PROTOCOLS = (b"\2", b"\3", b"\4", b"\5")  # of pickles, the byte after 0x80
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")  # reading one runs whatever program it holds


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, in order. Errors: `UserError` where one is missing, or all are pickles."""
    names = {WEIGHTS}
    if not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():
        names = set(_weight_map(folder).values())
    for name in sorted(names):
        if not (folder / name).is_file():
            raise _missing(folder, name)
    return [folder / name for name in sorted(names)]


def open_tensors(folder: Path) -> Unread:
    """Every tensor by its name on disk, unread. Errors: `UserError` where a file is missing, damaged or not as indexed."""
    places: dict[str, Path] = {}
    for path in weight_files(folder):
        for name in _names(path):
            if name in places:
                raise UserError(f"the tensor '{name}' stands in '{places[name].name}' and in '{path.name}'")
            places[name] = path
    return Unread({name: partial(_read, path, name) for name, path in places.items()})


def open_file(path: Path) -> Unread:
    """Every tensor of one file by its name, unread. Errors: `UserError` where it is missing or damaged."""
    if not path.is_file():
        raise _missing(path.parent, path.name)
    return Unread({name: partial(_read, path, name) for name in _names(path)})


def _weight_map(folder: Path) -> dict[str, str]:
    """Tensor -> file. A name that leads out of the folder is refused: an index is somebody else's text."""
    index = read_json(folder / INDEX)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"'{folder / INDEX}' is damaged: it has no weight_map")
    for name in weight_map.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise UserError(f"'{folder / INDEX}' names {name!r}, which is no file of its folder")
    return weight_map


def _names(path: Path) -> list[str]:
    """The tensors of one file. Opening compares its length with what its header promises."""
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except safetensors.SafetensorError as error:
        if _is_pickle(path):
            raise UserError(f"'{path}' is a pickle, which can run programs and is never opened", hint=CONVERT) from None
        raise UserError(f"'{path}' is damaged: {error}", hint="fetch it again; it may be cut short") from None


def _read(path: Path, name: str) -> Tensor:
    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name)
    return tensor


def _is_pickle(path: Path) -> bool:
    """Whether a file that isn't safetensors begins as a pickle does, or as the archive in which torch.save puts one."""
    with open(path, "rb") as file:
        head = file.read(4)
    return head == b"PK\x03\x04" or (head[:1] == b"\x80" and head[1:2] in PROTOCOLS and head[2:3] > b"\0")


def _missing(folder: Path, name: str) -> UserError:
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        return UserError(
            f"'{folder / name}' is missing, and '{pickles[0]}' is a pickle, which can run programs and is never opened",
            hint=CONVERT,
        )
    return UserError(
        f"'{folder / name}' is missing", hint="weights are read from safetensors files only, never from pickles"
    )
