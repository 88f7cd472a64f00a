"""Who is examined: a finished model, or the model of a recipe, freshly drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hornbook.commands._recipe import CHECKED_VOCABULARY, Recipe, check_recipe, packaged_recipes, read_recipe
from hornbook.device import choose_device
from hornbook.errors import UserError, nearest
from hornbook.models.base import Model
from hornbook.optimizers.base import OptimizerRecipe
from hornbook.randomness import torch_generator
from hornbook.tokenizers.base import Tokenizer
from hornbook.training.hardware import memory_free
from hornbook.weights.hub import fetched_where_absent
from hornbook.weights.model_folder import find_model_folder

if TYPE_CHECKING:
    from hornbook.batches.prepare import PrepareSettings

SMALL = 10_000_000  # parameters, up to which longer rows cost nothing
ROW, LONG_ROW = 16, 48  # tokens that a row of a large and of a small model has
READ_CHARACTERS = 1_000_000  # of a recipe's text: enough for a vocabulary like its own


@dataclass(frozen=True)
class Subject:
    """A model in evaluation mode and what belongs to it. `no_tokenizer` says why there is none; a recipe has no `folder`."""

    name: str
    model: Model
    optimizer: OptimizerRecipe
    tokenizer: Tokenizer | None = None
    no_tokenizer: str = ""
    seed: int = 0
    trained: bool = False
    folder: Path | None = None

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    @property
    def vocab_size(self) -> int:
        """How many ids the model knows."""
        return self.model.config.vocab_size

    @property
    def row_length(self) -> int:
        """How many tokens a row of a check has: few, and never more than the context."""
        few = LONG_ROW if self.model.num_parameters() <= SMALL else ROW
        return min(few, self.model.config.context_length)

    def fresh(self, seed: int | None = None, device: str | None = None, num_layers: int | None = None) -> Model:
        """A model of the same kind with its first weights, as training draws them; as deep as asked for."""
        config = self.model.config.model_copy(update={"num_layers": num_layers} if num_layers else {})
        generator = torch_generator(self.seed if seed is None else seed, "weights")
        return type(self.model)(config, generator).to(device or self.device).eval()

    def tokens(self, num_rows: int = 1, length: int | None = None, purpose: str = "doctor") -> Tensor:
        """Random ids, always the same ones, (num_rows, length)."""
        shape, generator = (num_rows, length or self.row_length), torch_generator(0, purpose)
        return torch.randint(0, self.vocab_size, shape, generator=generator).to(self.device)

    def memory_lacking(self, copies: int) -> str:
        """Why `copies` times the weights don't fit into what is free; "" where they do, or nobody knows."""
        return _lacking(copies, self.model, self.device)


def free_memory(device: torch.device) -> int | None:
    """Bytes that new tensors on `device` may take; None where nobody says."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else memory_free()


def _lacking(copies: int, model: Model, device: torch.device) -> str:
    needed, free = copies * sum(parameter.nbytes for parameter in model.parameters()), free_memory(device)
    if free is None or needed < free:
        return ""
    return f"it needs {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free"


def open_subject(source: str, settings: Sequence[str], device: str) -> Subject:
    """A model folder, a run folder with a finished model, a hub's model by its name, or a recipe (a name or a .toml
    file) with settings as flags.

    Errors: `UserError` where it is none of them, or a setting is wrong.
    """
    found = Path(source) if source.endswith(".toml") else fetched_where_absent(source)
    if found.is_dir():
        return _of_folder(source, found, settings, device)
    if source.endswith(".toml") or source in packaged_recipes():
        return _of_recipe(source, settings, device)
    near = nearest(source, packaged_recipes())
    hint = f"did you mean '{near}'? " if near else ""
    raise UserError(
        f"'{source}' is neither a recipe nor a model folder",
        hint=hint + "hornbook train lists the recipes, hornbook quickstart makes a model",
    )


def _of_folder(name: str, folder: Path, settings: Sequence[str], device: str) -> Subject:
    import hornbook

    if settings:
        raise UserError(f"'{settings[0]}' can't be set: a model folder has its settings", hint="leave it out")
    loaded = hornbook.load(folder, device)
    optimizer = check_recipe({"optimizer": loaded.info.get("run", {}).get("optimizer", {})}).optimizer
    place = find_model_folder(folder)
    return Subject(name, loaded.model, optimizer, loaded.tokenizer, trained=True, folder=place)


def _of_recipe(name: str, settings: Sequence[str], device: str) -> Subject:
    recipe, place = check_recipe(read_recipe(name, settings)), choose_device(device)
    tokenizer, why_not = _tokenizer(recipe)
    size = tokenizer.vocab_size if tokenizer else recipe.data.vocab_size or CHECKED_VOCABULARY
    config = recipe.config(size)
    seed = recipe.training.seed
    with torch.device("meta"):
        shape = recipe.model_class(config)
    if reason := _lacking(1, shape, place):
        raise UserError(f"the model of '{name}' can't be drawn: {reason}", hint="a smaller --model.num_layers")
    model = recipe.model_class(config, torch_generator(seed, "weights")).to(place).eval()
    return Subject(name, model, recipe.optimizer, tokenizer, why_not, seed)


def _tokenizer(recipe: Recipe) -> tuple[Tokenizer | None, str]:
    """The recipe's tokenizer, or None and why: its text, its dataset or the file of its vocabulary isn't here."""
    from hornbook.batches.encoding import NAMED, ready_tokenizer
    from hornbook.batches.prepare import open_dataset

    try:
        if recipe.folder:
            return open_dataset(recipe.folder).tokenizer, ""
        if recipe.data.tokenizer in NAMED:
            return ready_tokenizer(recipe.data), ""
    except UserError as error:
        return None, str(error)
    if ready := ready_tokenizer(recipe.data):  # a file of the user's, or a mistake: that is said at once
        return ready, ""
    try:
        return _learned(recipe.source, recipe.data), ""
    except UserError as error:
        return None, str(error)


def _learned(source: Sequence[str], data: "PrepareSettings") -> Tokenizer:
    """A tokenizer as the recipe trains it, on the beginning of its text."""
    from hornbook.batches.encoding import train_tokenizer
    from hornbook.batches.pieces import Piece
    from hornbook.corpora.base import open_source
    from hornbook.text.cleaning import Cleaner

    pieces: list[Piece] = []
    left = READ_CHARACTERS
    for document in Cleaner(data.clean).clean(open_source(source, data.text_field).documents()):
        pieces.append(Piece("train", document))
        if (left := left - len(document.text)) <= 0:
            break
    return train_tokenizer(data, pieces, 1.0, separate=sum(not piece.document.continues for piece in pieces) > 1)
