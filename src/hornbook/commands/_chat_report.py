"""What a chat fine-tuning came to: how many answers are exact, how many end by themselves, and a few to read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook.commands._chat_answers import is_exact
from hornbook.commands._finetune_task import Findings
from hornbook.evaluation._asking import Reply
from hornbook.files import write_json
from hornbook.finetuning.examples import Example

SHOWN, WIDTH = 3, 60
ANSWERS = "answers.json"


def findings(asked: Sequence[Example], said: Sequence[Reply], run: Path) -> Findings:
    """The measures of greedy answers to test questions, for programs and for people; all answers go to a file of the run.

    In: examples and the answer to each. Out: {"asked", "exact_match" and "ended" as shares 0..1, "answers": the file}.
    """
    if not asked:
        return {"asked": 0}, ["no test questions were asked"]
    exact = [is_exact(answer, example.conversation.answer) for answer, example in zip(said, asked, strict=True)]
    write_json(run / ANSWERS, [_record(*each) for each in zip(asked, said, exact, strict=True)])
    ended = sum(answer.ended for answer in said)
    results = {
        "asked": len(asked),
        "exact_match": sum(exact) / len(asked),
        "ended": ended / len(asked),
        "answers": ANSWERS,
    }
    lines = [
        f"asked    {len(asked):,} test questions: {sum(exact):,} answers exact ({sum(exact) / len(asked):.1%}), "
        f"{ended:,} end by themselves ({ended / len(asked):.1%})",
        f"answers  {run / ANSWERS}",
    ]
    for example, answer in list(zip(asked, said, strict=True))[:SHOWN]:
        lines += _shown(example, answer)
    return results, lines


def _record(example: Example, answer: Reply, exact: bool) -> dict[str, Any]:
    return {
        "place": example.conversation.place,
        "messages": [dict(message) for message in example.conversation.prompt],
        "wanted": example.conversation.answer,
        "answer": answer.text,
        "ended": answer.ended,
        "exact": exact,
    }


def _shown(example: Example, answer: Reply) -> list[str]:
    tail = "" if answer.ended else " (did not end)"
    return [
        f"question {_short(example.conversation.prompt[-1]['content'])}",
        f"  wanted {_short(example.conversation.answer)}",
        f"  said   {_short(answer.text)}{tail}",
    ]


def _short(text: str) -> str:
    """One line, its end where it is long: a question about a story stands there."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else "..." + line[-WIDTH + 3 :]
