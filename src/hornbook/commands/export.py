"""`hornbook export`: a finished model as a file of another program."""

from pathlib import Path


def export(
    model: str,
    /,
    *,
    to: str,
    quantize: str = "f16",
    out: Path | None = None,
    skip_comparison: bool = False,
    json: bool = False,
) -> None:
    """Write a model for llama.cpp and what is built on it: hornbook export runs/tales --to gguf --quantize q8_0

    One file holds the weights, the vocabulary and every setting. What can be exported is a llama (with qk_norm it
    becomes a qwen3 there) and a gpt with the settings of GPT-2, both with a bpe tokenizer. transformers needs no export:
    it opens the model folder as it is.

    Where llama.cpp is installed as the npm package node-llama-cpp (in the folder LLAMA_CPP_NODE, this one or one above)
    it is asked what it computes from a GGUF file: ids of hard strings, logits and 32 greedy tokens of a few prompts.
    What was found is kept in the model folder; a difference that rounding doesn't explain removes the file, exit code 1.

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
    skip_comparison
        Don't ask llama.cpp.
    json
        Print one JSON object with the path, sizes, sha256, what the file was made from, and how each tensor is stored.
    """
    from hornbook.commands._export import check_request, export_gguf
    from hornbook.commands._export_compare import check_judge, proven, remembered
    from hornbook.commands.base import print_json, talk

    folder, path = check_request(model, to, quantize, out)
    if not skip_comparison:
        check_judge()
    result = export_gguf(folder, path, quantize)
    for note in result.notes:
        talk(f"note: {note}")
    result = remembered(result if skip_comparison else proven(result, talk), talk)
    if json:
        print_json(result.as_json())
    else:
        print("\n".join(result.lines()))
