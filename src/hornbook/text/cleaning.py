"""Recipes (named chains of rules) and the `Cleaner` that runs one over documents and keeps the ledger.

The rules of a chain run in order, and once more while they still change something: repairing one fault may uncover
another, and only a text that no rule changes any more is clean. So cleaning twice with a recipe is cleaning once.
`gutenberg`, the one rule with a memory, runs once, at its place in the chain.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import cycle, groupby, islice

from hornbook.errors import UserError, unknown
from hornbook.text import rules
from hornbook.text.gutenberg import Place, gutenberg
from hornbook.text.ledger import Ledger
from hornbook.text.mojibake import mojibake
from hornbook.text.reading import Document
from hornbook.text.rules import Rule

MOST_PASSES = 20
GUTENBERG = "gutenberg"
EMPTY = "empty"

RULES: dict[str, Rule] = {
    "line-endings": rules.line_endings,
    "mojibake": mojibake,
    "nfc": rules.nfc,
    "control-characters": rules.control_characters,
    "footnote-marks": rules.footnote_marks,
    "page-numbers": rules.page_numbers,
    "trailing-spaces": rules.trailing_spaces,
    "blank-lines": rules.blank_lines,
    "lower": rules.lower,
    "one-line": rules.one_line,
    "letters-only": rules.letters_only,
    "single-spaces": rules.single_spaces,
    "digit-words": rules.digit_words,
}

TIDY = ("trailing-spaces", "blank-lines")
CHARACTERS = ("line-endings", "mojibake", "nfc", "control-characters")
STANDARD = CHARACTERS + TIDY

RECIPES: dict[str, tuple[str, ...]] = {
    "none": (),
    "standard": STANDARD,
    "book": (*CHARACTERS, "footnote-marks", "page-numbers", *TIDY, GUTENBERG),
    "lower": (*STANDARD, "lower"),
    "letters": ("lower", "one-line", "letters-only", "single-spaces"),
    "words": (*STANDARD, "lower", "digit-words"),
}


def chain_of(recipe: str) -> tuple[str, ...]:
    """The rules of a recipe, of a rule, or of several joined by '+': 'book+lower' -> book's rules, then lower's.

    Errors: `UserError` for an unknown name, with the near one.
    """
    chain: tuple[str, ...] = ()
    for name in recipe.split("+"):
        if name in RECIPES:
            chain += RECIPES[name]
        elif name in RULES or name == GUTENBERG:
            chain += (name,)
        else:
            raise unknown("cleaning recipe or rule", name, [*RECIPES, *RULES, GUTENBERG])
    return chain


class Cleaner:
    """Runs a recipe over documents; `.ledger` tells what it did.

    >>> cleaner = Cleaner("letters")
    >>> [document.text for document in cleaner.clean([Document("It is 9.", "a.txt", 0, 8)])]
    ['it is .']
    >>> cleaner.ledger.summary()["characters_kept"]
    7
    """

    def __init__(self, recipe: str = "standard") -> None:
        self.chain = chain_of(recipe)
        self.ledger = Ledger(recipe, dict.fromkeys((*self.chain, EMPTY)))
        self._steps = [
            None if is_gutenberg else [(name, RULES[name]) for name in names]
            for is_gutenberg, names in groupby(self.chain, GUTENBERG.__eq__)
        ]
        self._place = Place.FIRST

    def clean(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Clean documents one by one; a document of which nothing is left is dropped and entered under 'empty'.

        Byte ranges stay those of the raw text. Errors: `UserError` where nothing at all is left.
        """
        last: Document | None = None
        kept_any = begun = False  # begun: a piece of the document under way was already passed on
        for document in documents:
            if not document.continues:
                self._finish(last, begun)
                begun, self._place = False, Place.FIRST
            self.ledger.read(document.text, continues=document.continues)
            last = document
            if text := self._cleaned(document):
                yield replace(document, text=text, continues=begun)
                kept_any = begun = True
        self._finish(last, begun)
        if last and not kept_any:
            gone = f"the recipe '{self.ledger.recipe}' dropped all {self.ledger.characters_read:,} characters"
            raise UserError(f"nothing is left after cleaning: {gone}", hint="choose another recipe")

    def _finish(self, last: Document | None, begun: bool) -> None:
        if last and not begun:
            self.ledger.dropped(EMPTY, "", last.source)

    def _cleaned(self, document: Document) -> str:
        text = document.text
        for step in self._steps:
            text = self._until_still(step, text, document.source) if step else self._gutenberg(text, document.source)
        return text

    def _until_still(self, step: list[tuple[str, Rule]], text: str, source: str) -> str:
        still = 0  # how many rules in a row had nothing to do
        for name, rule in islice(cycle(step), MOST_PASSES * len(step)):
            after = rule(text)
            if after is text or after == text:
                still += 1
            else:
                still = 0
                self.ledger.changed(name, text, after, source)
                text = after
            if still == len(step):
                break
        return text

    def _gutenberg(self, text: str, source: str) -> str:
        after, self._place = gutenberg(text, self._place)
        if after != text:
            self.ledger.changed(GUTENBERG, text, after, source)
        return after
