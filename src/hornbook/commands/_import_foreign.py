"""Models that lie otherwise than in Hugging Face's layout, turned into it: a .bin of llama2.c, OpenAI's GPT-2."""

from pathlib import Path

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.tokenizers._llama2c import read_tokenizer_bin
from hornbook.tokenizers.base import Tokenizer, load_tokenizer
from hornbook.weights.imported import CARD
from hornbook.weights.llama2c import is_llama2c, read_llama2c
from hornbook.weights.model_folder import CONFIG, SEAL, save_model_folder
from hornbook.weights.openai_gpt2 import is_openai, read_openai

LLAMA2C, OPENAI = "llama2.c", "openai gpt-2"
TOKENIZER_BIN = "tokenizer.bin"


def format_of_file(path: Path) -> str | None:
    """Which of these formats lies at `path`; None where it is none of them."""
    if is_openai(path) and not (path / CONFIG).is_file():
        return OPENAI
    return LLAMA2C if is_llama2c(path) else None


def as_model_folder(path: Path, kind: str, tokenizer: Path | None, folder: Path) -> Path:
    """Write what lies at `path` as a folder in Hugging Face's layout. Errors: `UserError` where it can't be read."""
    if kind == OPENAI and tokenizer is not None:
        raise UserError("--tokenizer belongs to a .bin of llama2.c", hint="leave it out: SOURCE has its own")
    save_model_folder(folder, *(read_openai(path) if kind == OPENAI else _llama2c(path, tokenizer)))
    for name in (SEAL, CARD):  # it isn't sealed before it is where it belongs
        (folder / name).unlink()
    return folder


def _llama2c(path: Path, tokenizer: Path | None) -> tuple[Model, Tokenizer]:
    beside = path.with_name(TOKENIZER_BIN)
    if tokenizer is None and not beside.is_file():
        hint = "add --tokenizer tokenizer.bin (of stories260K it is tok512.bin)"
        raise UserError(f"'{path}' holds no vocabulary, and no {TOKENIZER_BIN} lies beside it", hint=hint)
    model, place = read_llama2c(path), tokenizer or beside
    words = load_tokenizer(place) if place.suffix == ".json" or place.is_dir() else read_tokenizer_bin(place)
    if words.vocab_size != model.config.vocab_size:
        sizes = f"it has {words.vocab_size:,} ids, the model {model.config.vocab_size:,}"
        raise UserError(f"'{place}' is not this model's vocabulary: {sizes}")
    return model, words
