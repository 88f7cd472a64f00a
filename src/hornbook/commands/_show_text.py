"""A text as a model reads it: what `hornbook show attention` and `hornbook show next` begin with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hornbook.generation.generate import LanguageModel


def read_text(model: str, text: str, device: str) -> "tuple[LanguageModel, list[int]]":
    """Open the model and encode the text.

    Errors: `UserError` for an empty text, a folder without a model, a text that the model can't read or that is
    longer than its context.
    """
    import hornbook
    from hornbook.errors import UserError

    if not text:
        raise UserError("the text is empty", hint="give the words to look at, in quotes")
    language_model = hornbook.load(model, device)
    ids = language_model.prompt_ids(text)
    context_length = language_model.config.context_length
    if len(ids) > context_length:
        raise UserError(
            f"the text is {len(ids)} tokens long, and the model reads at most {context_length}", hint="give less text"
        )
    return language_model, ids
