"""`hornbook export`: a finished model as a file of another program."""

from pathlib import Path


def export(
    model: str,
    /,
    *,
    to: str,
    quantize: str = "f16",
    out: Path | None = None,
    json: bool = False,
) -> None:
    """Write a model for llama.cpp and what is built on it: hornbook export runs/tales --to gguf --quantize q8_0

    One file holds the weights, the vocabulary and every setting. What can be exported is a llama (with qk_norm it
    becomes a qwen3 there) and a gpt with the settings of GPT-2, both with a bpe tokenizer. transformers needs no export:
    it opens the model folder as it is.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model.
    to
        The format: gguf.
    quantize
        Bits of a weight: f32 (exact), f16, q8_0 (a quarter of f32; a text parts only where two tokens are nearly
        equal) or q4_0 (an eighth, for large models). Norms and biases are f32 always.
    out
        The file to write (default: beside the model folder, named after the model).
    json
        Print one JSON object with the path, sizes, sha256, what the file was made from, and how each tensor is stored.
    """
    from hornbook.commands._export import check_request, export_gguf
    from hornbook.commands.base import print_json, talk

    folder, path = check_request(model, to, quantize, out)
    result = export_gguf(folder, path, quantize)
    for note in result.notes:
        talk(f"note: {note}")
    if json:
        print_json(result.as_json())
    else:
        print("\n".join(result.lines()))
