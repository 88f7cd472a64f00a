"""`hornbook merge`: an adapter and its base as one whole model."""

from pathlib import Path


def merge(adapter: str, /, *, out: Path, base: str | None = None, json: bool = False) -> None:
    """Add an adapter to its base and write the whole model: hornbook merge runs/chat-tales/adapter --out tales-chat

    An adapter is what LoRA learned, ours or one that PEFT wrote. Every command that reads a model opens an adapter
    whose base lies where it says as well; a whole model needs no base, and can be exported.

    Parameters
    ----------
    adapter
        A folder with adapter_config.json and adapter_model.safetensors.
    out
        The model folder to make.
    base
        The model folder, or its run, that the adapter was made for (default: the one that it names).
    json
        Print one JSON object with the path and the number of parameters.
    """
    from hornbook.commands._merge import merged_folder
    from hornbook.commands.base import print_json

    folder, num_parameters = merged_folder(Path(adapter), out, base)
    if json:
        print_json({"path": str(folder), "adapter": adapter, "parameters": num_parameters})
    else:
        print(f"{folder}\n{num_parameters:,} parameters")
