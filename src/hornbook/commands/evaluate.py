"""`hornbook evaluate`: measure a finished model."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hornbook.batches.dataset import Dataset
    from hornbook.evaluation.base import Evaluation, Findings
    from hornbook.generation.generate import LanguageModel


def evaluate(
    model: str,
    /,
    *,
    data: Path | None = None,
    only: str | None = None,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Measure a model: perplexity on the validation part of its data, and questions about the village's stories.

    Measurements that don't fit the model are left out, with the reason.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model.
    data
        A dataset folder; without it the one that the model was trained on, where it still lies there.
    only
        The one measurement to make: perplexity or village_questions.
    device
        auto, cpu, cuda or mps.
    json
        Print one JSON object: measurement -> its numbers and examples.
    """
    import hornbook
    from hornbook.commands.base import print_json
    from hornbook.discovery import find, names
    from hornbook.errors import UserError, unknown

    shelf = names("evaluation")
    if only is not None and only not in shelf:
        raise unknown("evaluation", only, shelf)
    language_model = hornbook.load(model, device)
    dataset = _open_data(language_model, model, data)
    results: dict[str, object] = {}
    for name in [only] if only else shelf:
        evaluation: Evaluation = find("evaluation", name)()
        reason = evaluation.reason_to_skip(language_model, dataset)
        if reason and only:
            raise UserError(f"{name} can't be measured: {reason}")
        findings = None if reason else evaluation.run(language_model, dataset)
        results[name] = {"left_out": reason} if findings is None else vars(findings)
        if not json:
            _show(name, evaluation, findings, reason)
    if json:
        print_json(results)


def _open_data(language_model: "LanguageModel", model: str, data: Path | None) -> "Dataset | None":
    """The dataset that was asked for, else the model's own where it still lies there, else None."""
    from hornbook.batches.dataset import is_dataset, open_dataset
    from hornbook.commands.base import talk
    from hornbook.weights.model_folder import find_model_folder

    if data is not None:
        return open_dataset(data)
    known = language_model.info.get("run", {}).get("data", {}).get("folder")
    if known is None:
        return None
    run = find_model_folder(model).parent  # a run's settings name its dataset relative to the run
    if not is_dataset(run / known):
        return None
    talk(f"data: {(run / known).resolve()}")
    return open_dataset(run / known)


def _show(name: str, evaluation: "Evaluation", findings: "Findings | None", reason: str | None) -> None:
    print(f"{name}: {evaluation.description}")
    if findings is None:
        print(f"  left out: {reason}\n")
        return
    width = max(map(len, findings.numbers))
    for label, value in findings.numbers.items():
        print(f"  {label:{width}}  {value:,}" if isinstance(value, int) else f"  {label:{width}}  {value:.4f}")
    for example in findings.examples:
        print("  " + "  ".join(f"{column}: {text!r}" for column, text in example.items()))
    print()
