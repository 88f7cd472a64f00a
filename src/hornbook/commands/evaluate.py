"""`hornbook evaluate`: measure a finished model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.device import WeightPrecision

if TYPE_CHECKING:
    from hornbook.commands._evaluate_data import Job
    from hornbook.evaluation._chat_address import ChatAddress


def evaluate(
    model: str,
    /,
    *,
    suite: tuple[str, ...] = (),
    data: tuple[Path, ...] = (),
    task: tuple[str, ...] = (),
    max_new_tokens: int = 128,
    stride: int | None = None,
    template: str | None = None,
    judge_url: str | None = None,
    judge_model: str | None = None,
    judge_key: str | None = None,
    out: Path | None = None,
    precision: WeightPrecision = "fp32",
    device: str = "auto",
    json: bool = False,
) -> None:
    """Measure a model: perplexity, multiple choice, open questions, the village's questions, each with its interval.

    Without a suite: perplexity on the validation part of the model's own data, questions about the village's stories,
    and what the data are for. Measurements that don't fit the model are left out, with the reason.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model.
    suite
        A measurement to make: perplexity, multiple_choice, answers, village_questions, memorisation or harness. May be
        given again.
    data
        A dataset folder (perplexity, memorisation), a text (perplexity), or a .jsonl file of your own questions: with
        "choices" for multiple_choice, with "answer" for answers. May be given again.
    task
        For the suite harness: a task of lm-eval by its name, or by its .yaml file. May be given again.
    max_new_tokens
        How long an answer may be, in tokens.
    stride
        For perplexity: how far windows lie apart, in tokens; fewer than the context give each token more before it.
    template
        Ask through another chat template than the model's own: alpaca, chatml, phi3, plain or a file; none asks without
        any.
    judge_url
        An OpenAI-compatible address whose model gives each answer a score: http://localhost:8080/v1. Your questions
        and the answers are sent there.
    judge_model
        The name of the judge's model at that address.
    judge_key
        The environment variable that holds the key for that address.
    out
        A .json file for the results, with every question, answer and score.
    precision
        fp32 computes exactly what was trained; bf16, int8 or int4 weights show what they cost.
    device
        auto, cpu, cuda or mps.
    json
        Print one JSON object: measurement -> its numbers, intervals, notes and examples.
    """
    import hornbook
    from hornbook.commands._evaluate_data import Options, jobs_of, with_template
    from hornbook.commands.base import print_json, talk
    from hornbook.errors import UserError
    from hornbook.files import write_json

    suites = [_suite(name) for name in dict.fromkeys(suite)]
    judge = _judge(judge_url, judge_model, judge_key)
    if max_new_tokens < 1:
        raise UserError(f"max_new_tokens '{max_new_tokens}' is below 1")
    if out is not None and out.is_dir():
        raise UserError(f"'{out}' is a folder", hint="name a .json file")
    language_model = with_template(hornbook.load(model, device, precision), template)
    jobs = jobs_of(
        model, language_model, suites, list(dict.fromkeys(data)), Options(max_new_tokens, stride, judge, task)
    )
    if judge and not any(job.suite == "answers" for job in jobs):
        raise UserError("there are no answers to judge", hint='name a file of {"question", "answer"} with --data')
    results: dict[str, dict[str, Any]] = {}
    for job in jobs:
        alone = sum(job.suite == other.suite for other in jobs) == 1 or job.data is None
        title = job.suite if alone else f"{job.suite} {job.data}"
        results[title] = _measured(job, title, language_model, required=bool(suites), quiet=json)
    if out is not None:
        write_json(out, {"model": model, "results": results})
        talk(f"results: {out}")
    if json:
        print_json(
            {title: {name: result[name] for name in result if name != "items"} for title, result in results.items()}
        )


def _measured(job: "Job", title: str, language_model: Any, *, required: bool, quiet: bool) -> dict[str, Any]:
    """Make one measurement and print it, unless `quiet`. Errors: `UserError` where it is required and can't be made."""
    from hornbook.commands._evaluate_show import lines
    from hornbook.errors import UserError

    reason = job.evaluation.reason_to_skip(language_model, job.dataset)
    if reason and required:
        raise UserError(f"{job.suite} can't be measured: {reason}")
    findings = None if reason else job.evaluation.run(language_model, job.dataset)
    if not quiet:
        print("\n".join(lines(title, job.evaluation.description, findings, reason)))
    source = {"data": str(job.data)} if job.data else {}
    return source | ({"left_out": reason} if findings is None else vars(findings))


def _suite(name: str) -> str:
    """A suite as a person may type it: 'multiple-choice' -> 'multiple_choice'. Errors: `UserError` with the choices."""
    from hornbook.discovery import names
    from hornbook.errors import unknown

    shelf, found = names("evaluation"), name.replace("-", "_")
    if found not in shelf:
        raise unknown("suite", name, shelf)
    return found


def _judge(url: str | None, model: str | None, key: str | None) -> "ChatAddress | None":
    """The judge that the flags name. Errors: `UserError` where one of them is without the others, or the key is unset."""
    import os

    from hornbook.errors import UserError
    from hornbook.evaluation._chat_address import ChatAddress

    if url is None:
        if model or key:
            raise UserError("a judge needs an address", hint="--judge-url http://localhost:8080/v1")
        return None
    if model is None:
        raise UserError("a judge needs the name of a model", hint="--judge-model NAME, as the server calls it")
    if key is not None and not os.environ.get(key):
        raise UserError(f"the environment variable '{key}', which shall hold the judge's key, is not set")
    return ChatAddress(url, model, os.environ[key].strip() if key else None)
