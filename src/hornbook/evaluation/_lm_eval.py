"""Our models for lm-eval (EleutherAI's Language Model Evaluation Harness): what its tasks ask of a model.

    lm_eval.simple_evaluate(model=HarnessModel(hornbook.load("runs/tales")), tasks=["lambada_openai"])

It needs the package lm-eval: `pip install 'hornbook[eval]'`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from hornbook.chat_template import ChatTemplate
from hornbook.evaluation._asking import cut_left
from hornbook.evaluation._scoring import Scored, room_for, score_endings, split
from hornbook.generation.conversation import no_template, require_known
from hornbook.generation.generate import LanguageModel
from hornbook.tokenizers.base import tokenizer_hash

LONGEST_ANSWER = 256  # tokens, where a task doesn't say: lm-eval's own default


class HarnessModel(LM):
    """A `LanguageModel` as lm-eval asks one. A model with a chat template reads the special tokens in a prompt.

    Errors: `UserError` for a text with characters that the tokenizer doesn't know.
    """

    def __init__(self, language_model: LanguageModel) -> None:
        super().__init__()
        self.language_model = language_model

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """For each (context, continuation): the logarithm of its probability, and whether it would be written greedily.

        Both are encoded together (see `split`); blanks at the end of the context count to the continuation, as in
        lm-eval's own adapters. A context too long loses its beginning.
        """
        found = [self._score(*request.args) for request in requests]
        return [(each.log_probability, each.is_greedy) for each in found]

    def _score(self, context: str, continuation: str) -> Scored:
        words = context.rstrip() or context
        beginning, endings = split(self._encode, words, [context[len(words) :] + continuation])
        beginning, _ = cut_left(self.language_model, beginning, room_for(self.language_model, endings))
        [scored] = score_endings(self.language_model, beginning, endings)
        return scored

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """For each (text,): the logarithm of its probability, in windows of the context side by side.

        The first token is guessed from <|endoftext|>, or what else the model has before a text.
        """
        return [sum(each.log_probability for each in self._windows(*request.args)) for request in requests]

    def _windows(self, text: str) -> Iterator[Scored]:
        require_known("a text", text, self.language_model.tokenizer)
        first, tokens = self.language_model.prompt_ids("")[-1], self.language_model.tokenizer.encode(text)
        for window in get_rolling_token_windows(tokens, first, self.language_model.config.context_length, 1):
            beginning, ending = make_disjoint_window(window)
            yield from score_endings(self.language_model, beginning, [ending])

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """For each (context, settings): what the model writes behind it, before one of the strings `until`."""
        return [self._generate(*request.args) for request in requests]

    def _generate(self, context: str, settings: Mapping[str, Any]) -> str:
        model, until = self.language_model, settings.get("until") or []
        longest = int(settings.get("max_gen_toks") or settings.get("max_new_tokens") or LONGEST_ANSWER)
        limit = model.config.context_length
        ids, _ = cut_left(model, self._encode(context), max(1, limit - longest, limit // 2))
        temperature = float(settings.get("temperature") or 0.0) if settings.get("do_sample") else 0.0
        [text] = model.generate_many(
            [ids],
            max_new_tokens=longest,
            stop=[until] if isinstance(until, str) else list(until),
            temperature=temperature,
            top_p=settings.get("top_p") if temperature else None,
            top_k=settings.get("top_k") if temperature else None,
        )
        return text

    def _encode(self, text: str) -> list[int]:
        if self.language_model.conventions.template is None or not text:
            return self.language_model.prompt_ids(text)
        return self.language_model.tokenizer.encode(text, allow_special=True)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The conversation's text, up to where the answer begins."""
        return self._template.render(chat_history, add_generation_prompt)

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The template's text, for lm-eval's record."""
        return self._template.source if chat_template else None

    @property
    def tokenizer_name(self) -> str:
        """What stands for the tokenizer in lm-eval's caches."""
        return tokenizer_hash(self.language_model.tokenizer)

    @property
    def _template(self) -> ChatTemplate:
        template: ChatTemplate | None = self.language_model.conventions.template
        if template is None:
            raise no_template()
        return template
