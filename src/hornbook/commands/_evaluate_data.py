"""The data that a user names for `hornbook evaluate`: what each is by its look, and the evaluation that it is for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hornbook.batches.dataset import Dataset, is_dataset, open_dataset
from hornbook.chat_template import ChatTemplate
from hornbook.commands._finetune_template import input_heading
from hornbook.commands.base import talk
from hornbook.discovery import find, names
from hornbook.errors import UserError
from hornbook.evaluation._chat_address import ChatAddress
from hornbook.evaluation._held_out import HeldOut
from hornbook.evaluation._questions import OpenQuestion, Prompt, read_choice_questions, read_open_questions
from hornbook.evaluation.answers import Answers
from hornbook.evaluation.base import Evaluation
from hornbook.evaluation.harness import Harness
from hornbook.evaluation.memorisation import Memorisation
from hornbook.evaluation.multiple_choice import MultipleChoice
from hornbook.evaluation.perplexity import Perplexity
from hornbook.finetuning.messages import FIELDS, read_conversations
from hornbook.generation.generate import LanguageModel
from hornbook.text.entries import JSONL, read_entries
from hornbook.text.reading import read_documents
from hornbook.weights.model_folder import find_model_folder


@dataclass(frozen=True)
class Options:
    """What the flags say of how the suites measure."""

    max_new_tokens: int = 128
    stride: int | None = None
    judge: ChatAddress | None = None
    tasks: tuple[str, ...] = ()


class Job(NamedTuple):
    """One evaluation to make: on which data (None: its own), and the dataset that it reads, where it reads one."""

    suite: str
    evaluation: Evaluation
    data: Path | None = None
    dataset: Dataset | None = None


def suite_of(path: Path) -> str:
    """Which suite reads a file or folder, by what its first entry holds; texts and datasets are for perplexity.

    Errors: `UserError` for a file that is missing, empty or damaged.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return "harness"
    if path.is_dir() or path.suffix.lower() not in (".json", *JSONL):
        return "perplexity"
    fields = next(iter(read_entries(path))).fields
    if "choices" in fields:
        return "multiple_choice"
    is_open = {"answer", "answers", *FIELDS.values()} & set(fields)
    return "answers" if is_open else "perplexity"


def job_of(suite: str, path: Path, language_model: LanguageModel, options: Options) -> Job:
    """The evaluation `suite` on the data at `path`. Errors: `UserError` with file and line for data that aren't right."""
    if suite == "multiple_choice":
        return Job(suite, MultipleChoice(tuple(read_choice_questions(path))), path)
    if suite == "answers":
        questions = tuple(_open_questions(path, language_model.conventions.template))
        return Job(suite, Answers(questions, options.max_new_tokens, options.judge, talk), path)
    if suite == "harness":
        return Job(suite, Harness((str(path),)), path)
    if suite == "memorisation":
        return Job(suite, Memorisation(), path, open_dataset(path))
    if suite != "perplexity":
        raise UserError(f"{suite} reads no data, but '{path}' was given")
    if is_dataset(path):
        return Job(suite, Perplexity(stride=options.stride), path, open_dataset(path))
    if path.is_dir() and (path / "dataset.json").exists():
        open_dataset(path)  # says what is wrong with it
    text = HeldOut.written(read_documents([path], notify=talk), language_model.tokenizer)
    return Job(suite, Perplexity(text, options.stride), path)


def _open_questions(path: Path, template: ChatTemplate | None) -> list[OpenQuestion]:
    """Questions with answers, or conversations whose last answer is the right one."""
    if not set(FIELDS.values()) & set(next(iter(read_entries(path))).fields):
        return read_open_questions(path)
    found = []
    for each in read_conversations(path, *([input_heading(template)] if template else [])):
        messages = tuple(each.prompt)
        found.append(OpenQuestion(Prompt(each.place, messages[-1]["content"], messages=messages), (each.answer,)))
    return found


def jobs_of(
    model: str, language_model: LanguageModel, suites: Sequence[str], data: Sequence[Path], options: Options
) -> list[Job]:
    """The evaluations to make: those asked for; without any, perplexity, village questions and what data are for.

    A single suite reads all data; of several each reads what looks like its own.
    Errors: `UserError` for data that no suite asked for reads, and for data that aren't right.
    """
    jobs = []
    for path in data:
        suite = suites[0] if len(suites) == 1 else suite_of(path)
        if suites and suite not in suites:
            raise UserError(f"'{path}' is for {suite}, which was not asked for", choices=suites)
        jobs.append(job_of(suite, path, language_model, options))
    given = {job.suite for job in jobs}
    own = next((job.dataset for job in jobs if job.dataset), None) or own_dataset(language_model, model)
    usual = ["perplexity", "village_questions", *(["harness"] if options.tasks else [])]
    for suite in suites or usual:
        if suite not in given or (suite == "harness" and options.tasks):
            if suite in ("perplexity", "memorisation") and own:
                talk(f"data: {own.folder.resolve()}")
            jobs.append(Job(suite, _without_data(suite, options), None, own))
    order = names("evaluation")
    return sorted(jobs, key=lambda job: order.index(job.suite))


def _without_data(suite: str, options: Options) -> Evaluation:
    if suite == "perplexity":
        return Perplexity(stride=options.stride)
    if suite == "harness":
        return Harness(options.tasks)
    found: Evaluation = find("evaluation", suite)()
    return found


def with_template(language_model: LanguageModel, name: str | None) -> LanguageModel:
    """The model with another chat template, without any ("none"), or as it is (None). Errors: as `template_for`."""
    if name is None:
        return language_model
    if name != "none":
        return language_model.with_template(name)
    bare = replace(language_model.conventions, template=None)
    return LanguageModel(language_model.model, language_model.tokenizer, language_model.info, bare)


def own_dataset(language_model: LanguageModel, model: str) -> Dataset | None:
    """The dataset that the model was trained on, where it still lies there."""
    known = language_model.info.get("run", {}).get("data", {}).get("folder")
    if known is None:
        return None
    run = find_model_folder(model).parent  # a run's settings name its dataset relative to the run
    return open_dataset(run / known) if is_dataset(run / known) else None
