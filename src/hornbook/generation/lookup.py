"""Drafts from the text itself: where its last tokens stood before, what followed then is likely to follow again.

A draft of several tokens is read in one pass, which costs little more than one token, and every token is then chosen as it
would have been: so much of the draft as was chosen anyway is gained, the rest is forgotten. Where an answer copies (a
text corrected, a table filled in, code) most of it is; elsewhere drafts grow short and cost little.
Source: Saxena 2023, "Prompt lookup decoding"; Leviathan et al. 2022, "Fast inference from transformers via speculative
decoding", for the checking.
"""

from collections.abc import Iterator, Sequence

import torch

from hornbook.generation.lockstep import Context, Picker

LONGEST, SHORTEST = 4, 2  # tokens that must have stood before
FIRST_DRAFT, LONGEST_DRAFT = 4, 16
CLOSE = 0.01  # two likeliest tokens nearer than this (in logits) are weighed again alone: sums round otherwise together


class Memory:
    """Where every run of 2 to 4 tokens of a text stood last."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.row: list[int] = []
        self._behind: dict[tuple[int, ...], int] = {}  # a run -> the place of what followed it last
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """One more token; what stood before it is now followed by it."""
        place = len(self.row)
        for length in range(SHORTEST, min(LONGEST, place) + 1):
            self._behind[tuple(self.row[-length:])] = place
        self.row.append(token)

    def draft(self, count: int) -> list[int]:
        """The `count` tokens that followed when the last ones stood there before, by the longest run that did; [] by none.

        [1, 2, 3, 4, 1, 2], 3 -> [3, 4, 1].
        """
        for length in range(min(LONGEST, len(self.row)), SHORTEST - 1, -1):
            place = self._behind.get(tuple(self.row[-length:]))
            if place is not None:
                past = self.row[place:]
                return [past[step % len(past)] for step in range(count)]  # beyond the end a loop goes on as a loop
        return []


@torch.inference_mode()
def by_lookup(
    context: Context, prompt: Sequence[int], pick: Picker, max_new_tokens: int, *, drafting: bool = True
) -> Iterator[int]:
    """The tokens that follow a prompt, as `lockstep` gives them, read several at a time where the text repeats itself.

    `context` has one row and may hold the prompt's first tokens, not the last. Greedy texts are the same, drawn ones too
    but for draws that rounding decides. Without `drafting`, and under a repetition penalty, tokens are read one by one.
    """
    memory = Memory(prompt)
    row, size, waiting = memory.row, FIRST_DRAFT, list(prompt[context.length :])
    drafting = drafting and pick.sampling.repetition_penalty == 1
    end = len(row) + max_new_tokens
    while len(row) < end:
        room = min(size, end - len(row) - 1, context.limit - context.length - 1)
        draft = memory.draft(room) if drafting and len(waiting) == 1 and room > 0 else []
        logits = context.read_each([*waiting, *draft], 1 + len(draft))
        for taken in range(1 + len(draft)):
            scores = logits[taken]
            if draft and _in_doubt(scores[: pick.vocab_size], pick):
                context.forget(len(draft) + 1 - taken)
                scores, draft = context.read_each(row[-1:], 1)[0], draft[:taken]
            token = pick(0, len(row) + max_new_tokens - end, scores, row)
            if token is None:
                return
            memory.add(token)
            yield token
            if taken == len(draft) or token != draft[taken]:
                break
        context.forget(len(draft) - taken)
        size, waiting = min(LONGEST_DRAFT, 2 * taken + SHORTEST), row[-1:]


def _in_doubt(scores: torch.Tensor, pick: Picker) -> bool:
    """Whether a greedy choice is so near that the rounding of sums may decide it."""
    if len(scores) == 1 or not pick.sampling.greedy:
        return False
    first, second = scores.topk(2).values.tolist()
    return not first - second > CLOSE * max(1.0, abs(first))
