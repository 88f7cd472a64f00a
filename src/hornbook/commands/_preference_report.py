"""How a model stands to pairs that it never learned from: before a training on preferences and after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hornbook.commands._chat_answers import answers, is_exact
from hornbook.commands._finetune_task import Findings
from hornbook.commands._preference_settings import PreferenceSettings
from hornbook.evaluation._intervals import Interval, wilson
from hornbook.finetuning.preference import Pair, both_log_probabilities
from hornbook.finetuning.preference_data import PairsMade
from hornbook.finetuning.rows import in_order
from hornbook.generation.generate import LanguageModel
from hornbook.layers.evaluating import evaluating
from hornbook.layers.loss import Batch


@dataclass(frozen=True)
class Standing:
    """ln p of both answers of each pair, (N, 2) nats; of the prompts that were asked, how many answers were right and ended.

    Right is the chosen answer, word for word.
    """

    log_probabilities: Tensor
    asked: int
    exact: int
    ended: int

    @property
    def prefers_chosen(self) -> Interval:
        """The share of pairs whose chosen answer is the likelier one, 0..1."""
        return wilson(
            int((self.log_probabilities[:, 0] > self.log_probabilities[:, 1]).sum()), len(self.log_probabilities)
        )


def standing(
    model: LanguageModel,
    part: PairsMade,
    settings: PreferenceSettings,
    collate: Callable[[Sequence[Pair]], Batch],
    batch_size: int,
) -> Standing:
    """Ask the model as it is now, without training it."""
    device, template = next(model.model.parameters()).device, model.conventions.template
    assert template is not None
    with evaluating(model.model):
        found = [
            both_log_probabilities(model.model, inputs.to(device)).cpu()
            for inputs, _ in in_order(part.pairs, collate, batch_size)
        ]
    some = part.preferences[: settings.answers]
    prompts = [template.prompt_ids(each.prompt, model.tokenizer) for each in some]
    said = answers(model, prompts, settings.answer_tokens)
    exact = sum(is_exact(answer, each.chosen) for answer, each in zip(said, some, strict=True))
    return Standing(torch.cat(found), len(some), exact, sum(answer.ended for answer in said))


def findings(before: Standing, after: Standing, part: PairsMade, settings: PreferenceSettings) -> Findings:
    """The numbers of both, and lines for people. A reward is beta x what an answer gained in ln p since the base."""
    rewards = settings.beta * (after.log_probabilities - before.log_probabilities)  # (N, 2)
    margins = rewards[:, 0] - rewards[:, 1]
    lengths = [
        (sum(t >= 0 for t in pair.chosen.targets), sum(t >= 0 for t in pair.rejected.targets)) for pair in part.pairs
    ]
    shorter = sum(chosen < rejected for chosen, rejected in lengths) / len(lengths)
    longer = sum(chosen > rejected for chosen, rejected in lengths) / len(lengths)
    results: dict[str, Any] = {
        "test_pairs": len(margins),
        **_with_interval("prefers_chosen_before", before.prefers_chosen),
        **_with_interval("prefers_chosen", after.prefers_chosen),
        "by_length_alone": max(shorter, longer),
        "reward_accuracy": float((margins > 0).float().mean()),
        "reward_margin": float(margins.mean()),
        "chosen_reward": float(rewards[:, 0].mean()),
        "rejected_reward": float(rewards[:, 1].mean()),
        "asked": after.asked,
        "exact_before": before.exact,
        "exact": after.exact,
        "ended_before": before.ended,
        "ended": after.ended,
    }
    return results, _lines(results)


def _with_interval(name: str, share: Interval) -> dict[str, Any]:
    return {name: share.value, f"{name}_interval": [share.low, share.high]}


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [
        f"pairs    {found['test_pairs']:,} to test, of which length alone would tell {found['by_length_alone']:.1%}",
        f"  chosen answer the likelier one before  {_share(found, 'prefers_chosen_before')}",
        f"  chosen answer the likelier one after   {_share(found, 'prefers_chosen')}",
        f"rewards  accuracy {found['reward_accuracy']:.1%}, margin {found['reward_margin']:+.3f} "
        f"(chosen {found['chosen_reward']:+.3f}, rejected {found['rejected_reward']:+.3f})",
    ]
    if found["asked"]:
        lines += [
            f"answers  {found['exact_before']} of {found['asked']} as chosen before, {found['exact']} after",
            f"ended    {found['ended_before']} of {found['asked']} by themselves before, {found['ended']} after",
        ]
    return lines


def _share(found: dict[str, Any], name: str) -> str:
    low, high = found[f"{name}_interval"]
    return f"{found[name]:6.1%}  (95 % interval {low:.1%} to {high:.1%})"
