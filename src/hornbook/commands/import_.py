"""`hornbook import`: a public model as a model folder."""

from pathlib import Path


def import_(
    source: str,
    /,
    *,
    out: Path,
    tokenizer: Path | None = None,
    add_tokens: str | None = None,
    context_length: int | None = None,
    rope_scaling: str | None = None,
    data: Path | None = None,
    skip_comparison: bool = False,
    json: bool = False,
) -> None:
    """Take a published model in: hornbook import ~/models/SmolLM2-135M --out runs/smol. Then generate, chat, finetune.

    What opens: gpt2, llama (with linear or llama3 scaling), mistral, qwen2 and qwen3, from safetensors, with a byte
    level BPE tokenizer or SentencePiece's BPE. Every tensor and every setting is checked; what isn't computed here is
    refused by its name, and pickles (.bin, .pt) are never opened. The files stay as they are, byte for byte, sealed.

    Where transformers is installed it is asked the same as this program: ids of hard strings, logits and 32 greedy
    tokens of a few prompts. What was found is kept in the folder; a difference ends the import with exit code 1.

    On its way the model can be changed, a model folder or run of your own too: hornbook import runs/tales --out
    runs/chatty --add-tokens "<|user|>,<|end|>" --context-length 512 --data runs/tales/data

    Parameters
    ----------
    source
        A folder in the layout of Hugging Face, or a name on its hub, which needs the package huggingface_hub
        (HF_HUB_OFFLINE=1: only what was fetched before). Also a .bin of llama2.c and OpenAI's folders of GPT-2.
    out
        The model folder to write.
    tokenizer
        The tokenizer.bin of a .bin of llama2.c; without it the one beside it.
    add_tokens
        Special tokens to add, a comma between. Texts keep their ids and logits; a new token begins as the mean of all.
    context_length
        Another context: learned positions are interpolated (or cut off), a Llama's rotation is slowed.
    rope_scaling
        How a rotation is slowed for a longer context: theta (the default), linear, llama3, none.
    data
        A dataset folder or a text, on which the effect of another context is measured: perplexity before and after.
    skip_comparison
        Don't ask transformers: a large model takes time, and the memory of its weights in float32.
    json
        Print one JSON object with the folder, the architecture, the parameters, the tokenizer and the origin.
    """
    from hornbook.commands._import import import_model
    from hornbook.commands._import_changed import Changes, split_names
    from hornbook.commands.base import print_json

    changes = Changes(split_names(add_tokens), context_length, rope_scaling, data)
    result = import_model(source, out, changes, tokenizer=tokenizer, compare=not skip_comparison)
    if json:
        print_json(result.as_json())
    else:
        print("\n".join(result.lines()))
