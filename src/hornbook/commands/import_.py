"""`hornbook import`: a public model as a model folder."""

from pathlib import Path


def import_(source: str, /, *, out: Path, skip_comparison: bool = False, json: bool = False) -> None:
    """Take a published model in: hornbook import ~/models/SmolLM2-135M --out runs/smol. Then generate, chat, finetune.

    What opens: gpt2, llama (with linear or llama3 scaling), mistral, qwen2 and qwen3, from safetensors, with a byte
    level BPE tokenizer or SentencePiece's BPE. Every tensor and every setting is checked; what isn't computed here is
    refused by its name, and pickles (.bin, .pt) are never opened. The files stay as they are, byte for byte, sealed.

    Where transformers is installed it is asked the same as this program: ids of hard strings, logits and 32 greedy
    tokens of a few prompts. What was found is kept in the folder; a difference ends the import with exit code 1.

    Parameters
    ----------
    source
        A folder in the layout of Hugging Face, or a name on its hub, which needs the package huggingface_hub
        (HF_HUB_OFFLINE=1: only what was fetched before).
    out
        The model folder to write.
    skip_comparison
        Don't ask transformers: a large model takes time, and the memory of its weights in float32.
    json
        Print one JSON object with the folder, the architecture, the parameters, the tokenizer and the origin.
    """
    from hornbook.commands._import_compare import compare_with_outsider
    from hornbook.commands._import_source import find_source, require_absent
    from hornbook.commands.base import print_json, talk
    from hornbook.weights.imported import examine, write_imported

    require_absent(out)
    folder, origin = find_source(source)
    talk(f"reading '{folder}'")
    found = examine(folder)
    facts = found.facts()
    parity = None if skip_comparison else compare_with_outsider(folder, talk)
    write_imported(found, out, {"imported": origin | facts} | ({"parity": parity} if parity else {}))
    if json:
        print_json({"folder": str(out), **origin, **facts, "parity": parity})
        return
    print(f"imported '{origin['source']}' to '{out}'")
    for name, fact in facts.items():
        print(f"{name.replace('_', ' ')}: {fact:,}" if isinstance(fact, int) else f"{name.replace('_', ' ')}: {fact}")
    if parity:
        print(
            f"as in {parity['with']}: ids, logits to {parity['largest_difference']:.1g}, {parity['greedy_tokens']} tokens"
        )
    print(f"try: hornbook generate {out} Once")
