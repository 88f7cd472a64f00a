"""`hornbook export`: a finished model in the format of another program."""

from pathlib import Path


def export(
    model: str,
    /,
    *,
    to: str,
    quantize: str | None = None,
    out: Path | None = None,
    skip_comparison: bool = False,
    json: bool = False,
) -> None:
    """Write a model for llama.cpp and what is built on it: hornbook export runs/tales --to gguf --quantize q8_0

    gguf: one file holds the weights, the vocabulary and every setting. What can be exported is a llama (with qk_norm it
    becomes a qwen3 there) and a gpt with the settings of GPT-2, both with a bpe tokenizer.

    onnx: a folder with a graph that onnxruntime computes, in any language and without torch, and the tokenizer beside
    it. Every model can be exported. hornbook export runs/tales --to onnx

    transformers needs no export: it opens the model folder as it is.

    Each export is put beside the program it is for, where that is installed: llama.cpp as the npm package
    node-llama-cpp (in the folder LLAMA_CPP_NODE, this one or one above), onnxruntime as a package of Python. It is asked
    for ids of hard strings, logits and 32 greedy tokens of a few prompts. What was found is kept in the model folder; a
    difference that rounding doesn't explain removes what was written, exit code 1.

    Parameters
    ----------
    model
        A model folder, a run folder with a finished model, or a hub's model (owner/name).
    to
        The format: gguf or onnx.
    quantize
        Bits of a weight in GGUF: f32 (exact), f16 (the default), q8_0 (a quarter of f32; a text parts only where two
        tokens are nearly equal) or q4_0 (an eighth, for large models). Norms and biases are f32 always, as is all of onnx.
    out
        The file to write, of onnx the folder (default: beside the model folder, of a hub's model here; named after the model).
    skip_comparison
        Don't ask the other program.
    json
        Print one JSON object with the path, sizes, sha256, what was exported from what, and how each tensor is stored.
    """
    from hornbook.commands._export import export_gguf
    from hornbook.commands._export_compare import check_judge, proven, remembered
    from hornbook.commands._export_onnx import export_onnx
    from hornbook.commands._export_request import check_request
    from hornbook.commands.base import print_json, talk

    request = check_request(model, to, quantize, out)
    if not skip_comparison:
        check_judge(to)
    result = (
        export_onnx(request) if to == "onnx" else export_gguf(request.folder, request.path, request.bits, request.name)
    )
    for note in result.notes:
        talk(f"note: {note}")
    result = result if skip_comparison else proven(result, talk)
    if request.fetched:
        talk("note: the export is not remembered in the model folder, which is the hub's cache")
    else:
        result = remembered(result, talk)
    if json:
        print_json(result.as_json())
    else:
        print("\n".join(result.lines()))
