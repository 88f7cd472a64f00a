"""What a plan can know of a recipe's text: its vocabulary, its tokens, or that it isn't here yet. Nothing is fetched."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hornbook.batches.dataset import Dataset
from hornbook.batches.encoding import NAMED
from hornbook.batches.prepare import open_dataset, prepare
from hornbook.commands._recipe import Recipe
from hornbook.commands.base import talk
from hornbook.corpora.base import Corpus, DownloadedCorpus, open_source
from hornbook.errors import UserError
from hornbook.tokenizers._named import is_here
from hornbook.tokenizers.base import load_tokenizer
from hornbook.tokenizers.bpe import DEFAULT_VOCAB_SIZE

NAMED_SIZES = {"gpt2": 50257, "cl100k_base": 100277}
WHOLE_BYTES = (
    8_000_000  # a text up to this size is prepared as a whole, which takes seconds; of a longer one, its beginning
)


@dataclass(frozen=True)
class Text:
    """Sizes in tokens, and of the dataset folder in bytes; None where it isn't known. `note` says why, or what was estimated."""

    vocab_size: int
    train: int | None = None
    val: int | None = None
    folder_bytes: int | None = None
    dataset: Dataset | None = None
    note: str | None = None


@contextmanager
def text_of(recipe: Recipe, data: Path | None, vocab_size: int | None) -> Iterator[Text]:
    """The text of a recipe: its dataset where there is one, else prepared in a temporary folder for as long as this lasts.

    Errors: `UserError` where the vocabulary follows from a text that isn't here, and `vocab_size` isn't given.
    """
    chosen = data or recipe.folder
    if chosen and vocab_size is not None:
        raise UserError(f"the dataset '{chosen}' has its vocabulary", hint="leave --vocab-size out")
    if chosen:
        yield _whole(open_dataset(chosen))
        return
    missing = "its text was not read, as --vocab-size is given" if vocab_size is not None else _missing(recipe)
    if missing:
        yield Text(_known_vocabulary(recipe, missing) if vocab_size is None else vocab_size, note=missing)
        return
    with TemporaryDirectory(prefix="hornbook-plan-") as folder:
        yield _prepared(recipe, Path(folder))


def _missing(recipe: Recipe) -> str | None:
    """What isn't on this machine, in words, or None."""
    corpus, tokenizer = open_source(recipe.source, recipe.data.text_field), recipe.data.tokenizer
    if isinstance(corpus, DownloadedCorpus) and not corpus.path.is_file():
        return f"its text isn't here yet: hornbook fetch {corpus.name}"
    if tokenizer in NAMED and not is_here(tokenizer):
        return f"the vocabulary '{tokenizer}' isn't here yet"
    return None


def _known_vocabulary(recipe: Recipe, missing: str) -> int:
    """The size of a vocabulary that doesn't follow from the text. Errors: `UserError` for one that does."""
    name = recipe.data.tokenizer
    if name in NAMED_SIZES:
        return NAMED_SIZES[name]
    if name == "bpe":
        return recipe.data.vocab_size or DEFAULT_VOCAB_SIZE
    if Path(name).exists():
        return load_tokenizer(name).vocab_size
    what, _, command = missing.partition(": ")
    hint = f"{command}, or give --vocab-size" if command else "give --vocab-size"
    raise UserError(f"the {name} vocabulary follows from the text, and {what}", hint=hint)


def _prepared(recipe: Recipe, folder: Path) -> Text:
    """The text as `train` would prepare it, or, of a long one, its beginning, by which the whole is estimated."""
    corpus = open_source(recipe.source, recipe.data.text_field)
    talk("reading the text")
    if (corpus.size_bytes or 0) <= WHOLE_BYTES:
        return _whole(prepare(corpus, recipe.data, folder / "data"))
    beginning, read = _beginning(corpus, folder / "beginning")
    dataset = prepare([beginning], recipe.data, folder / "data")
    times = (corpus.size_bytes or 0) / read
    return Text(
        vocab_size=dataset.vocab_size,
        train=round(len(dataset.train) * times),
        val=round(len(dataset.val) * times),
        folder_bytes=round(_size(dataset) * times),
        note=f"tokens are estimated from the first {read / 1e6:.0f} MB of the text",
    )


def _beginning(corpus: Corpus, folder: Path) -> tuple[Path, int]:
    """The first documents of a long text as files in `folder`, and how many bytes of the source they were."""
    folder.mkdir()
    read = 0
    for number, document in enumerate(corpus.documents()):
        text = document.text[:WHOLE_BYTES]
        (folder / f"{number:06d}.txt").write_text(text, encoding="utf-8")
        read += min(document.end - document.start, len(text.encode()))
        if read >= WHOLE_BYTES:
            break
    return folder, read


def _whole(dataset: Dataset) -> Text:
    return Text(dataset.vocab_size, len(dataset.train), len(dataset.val), _size(dataset), dataset)


def _size(dataset: Dataset) -> int:
    return sum(file.stat().st_size for file in dataset.folder.iterdir())
