"""`hornbook prepare`: text becomes a dataset folder."""

from pathlib import Path


def prepare(
    *source: str,
    out: Path,
    tokenizer: str = "bpe",
    vocab_size: int | None = None,
    clean: str = "standard",
    val_fraction: float = 0.1,
    text_field: str = "text",
    json: bool = False,
) -> None:
    """Clean a text, split it, and turn it into tokens: hornbook prepare book.txt --out data/book.

    The folder is whole or absent. The same command again reuses it; a changed text or setting builds it anew.
    Where there are several documents, whole ones are kept for validation; of a single one, its end is.

    Parameters
    ----------
    source
        village, counting, verdict, meditations, tiny-shakespeare, sms-spam, instructions or preferences; or files and
        folders of your own.
    out
        The dataset folder to make.
    tokenizer
        A kind to train (bpe, character, word), a ready one (gpt2, cl100k_base), or the path of a tokenizer.json.
    vocab_size
        How many tokens the trained tokenizer has at most; its own default where not given.
    clean
        A recipe (none, standard, book, lower, letters, words), a rule, or several joined by +.
    val_fraction
        How much of the text is kept for validation; 0 keeps none.
    text_field
        The field of a jsonl file, or the column of a csv file, that holds the text.
    json
        Print the content of dataset.json.
    """
    from hornbook.batches.prepare import PrepareSettings
    from hornbook.batches.prepare import prepare as prepare_dataset
    from hornbook.commands.base import print_json, talk

    settings = PrepareSettings(
        tokenizer=tokenizer, vocab_size=vocab_size, clean=clean, val_fraction=val_fraction, text_field=text_field
    )
    dataset = prepare_dataset(source, settings, out, notify=talk)
    if json:
        print_json(dataset.info)
        return
    print(f"dataset  {out}  (a vocabulary of {dataset.vocab_size:,})")  # its counts were told on the way
