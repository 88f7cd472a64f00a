"""What a run's weights write: those of a checkpoint, those before the first step, or the finished model's."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.chat_template import Message
from hornbook.serving.runs import Wanted

if TYPE_CHECKING:
    from hornbook.generation.generate import LanguageModel


def write_text(run: Path, wanted: Wanted) -> Iterator[str]:
    """Open the weights, write, forget them; a model that converses answers the prompt instead of going on from it.

    Errors: `UserError` where the weights are damaged or gone, the run's dataset is, or the prompt can't be read.
    """
    model = model_at(run, wanted.place)
    tokens, seed, temperature = wanted.max_tokens, wanted.seed, wanted.temperature
    if model.conventions.template is not None and wanted.prompt:
        turns: list[Message] = [{"role": "user", "content": wanted.prompt}]
        yield from model.stream_chat(turns, max_new_tokens=tokens, seed=seed, temperature=temperature, top_k=None)
    else:
        yield from model.stream(wanted.prompt, max_new_tokens=tokens, seed=seed, temperature=temperature, top_k=None)


def model_at(run: Path, place: str) -> "LanguageModel":
    """The model of a run at a place: "model", or a step, of which 0 is the first weights, drawn again from the seed."""
    import hornbook

    return hornbook.load(run / "model") if place == "model" else _pretrained(run, int(place))


def _pretrained(run: Path, step: int) -> "LanguageModel":
    from hornbook.commands._parts import dataset_of_run, first_model
    from hornbook.commands._recipe import check_recipe
    from hornbook.generation.generate import LanguageModel
    from hornbook.training.checkpoint import folder_of, load_weights
    from hornbook.training.run_folder import RunFolder

    folder = RunFolder(run)
    settings = folder.settings
    recipe, dataset = check_recipe(settings, run), dataset_of_run(run, settings)
    model = first_model(recipe, recipe.config(dataset.tokenizer.vocab_size), dataset)
    if step:
        load_weights(folder_of(folder.checkpoints, step), model)
    return LanguageModel(model.eval(), dataset.tokenizer)
