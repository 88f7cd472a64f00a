"""What keeps a template within bounds: everything that it makes is counted, and a count that is used up ends it.

A conversation's template makes some text for every message. One that goes on for ever, or doubles a text until memory
is full, is found after a moment's work, whatever way it took: loops, calls, joining, repeating, padding, replacing.
"""

import json
import re
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.filters import do_indent
from jinja2.runtime import Context
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

TURNS, TURNS_PER_MESSAGE = 20_000, 1_000  # of loops, and calls
CHARACTERS, CHARACTERS_PER_CHARACTER = 1_000_000, 200  # made on the way, besides so many for each one that is read
LONGEST = 10_000  # a number that pads or repeats: '%9999999d', ''.center(9999999)

PURSE, COUNT, JOIN = "_purse", "_count", "_join"  # names in the context that no template may write


class Spent(TemplateError):
    """The template did more than a conversation of this length needs."""


class Purse:
    """What a rendering may still do."""

    def __init__(self, num_messages: int, num_characters: int) -> None:
        self.turns = TURNS + TURNS_PER_MESSAGE * num_messages
        self.characters = CHARACTERS + CHARACTERS_PER_CHARACTER * num_characters

    def spend(self, turns: int, characters: int) -> None:
        """Errors: `Spent` where one of them is used up."""
        self.turns -= turns
        self.characters -= characters
        if self.turns < 0:
            raise Spent("it goes on without an end")
        if self.characters < 0:
            raise Spent("it makes a text without an end")

    def made(self, value: Any) -> Any:
        """Count what was made, and hand it on."""
        self.spend(0, _size(value))
        return value


class Counting(NodeTransformer):
    """Puts a count around everything that makes a value, and into every turn of a loop."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        """A turn begins with a call, which is counted and writes nothing."""
        self.generic_visit(node)
        node.body.insert(0, nodes.Output([_call(COUNT, nodes.Const(""))]))
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        """`a | trim` -> `_count(a | trim)`; one without a value belongs to a block."""
        self.generic_visit(node)
        return node if node.node is None else _call(COUNT, node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        """`a ~ b` -> `_join(a, b)`."""
        self.generic_visit(node)
        return _call(JOIN, *node.nodes)

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.AssignBlock:
        """`{% set x %}...{% endset %}` passes through a filter that counts."""
        node.body = [self.visit(child) for child in node.body]
        node.filter = nodes.Filter(node.filter, COUNT, [], [], None, None)
        return node


def _call(name: str, *values: nodes.Expr) -> nodes.Call:
    return nodes.Call(nodes.Name(name, "load"), list(values), [], None, None)


def purse_of(context: Context) -> Purse:
    """The purse of this rendering."""
    purse: Purse = context.parent[PURSE]  # the names that were given: what a template sets lies elsewhere
    return purse


def _size(value: Any) -> int:
    """How much memory a value takes, about, in characters; a number counts more, for what multiplying it takes."""
    if isinstance(value, int):
        return value.bit_length()
    try:
        return len(value) if isinstance(value, str | bytes | list | tuple | dict | range) else 0
    except OverflowError:  # the length of a range beyond all bounds
        return CHARACTERS**2


def times(repeated: Any, count: Any) -> int:
    """How long `repeated * count` is; 0 where it is no repetition."""
    return len(repeated) * count if isinstance(repeated, str | bytes | list | tuple) and isinstance(count, int) else 0


def require_short(*values: Any) -> None:
    """Errors: `Spent` for a number, alone or in a format, that would pad beyond any use."""
    for value in values:
        numbers = [int(digits) for digits in re.findall(r"\d{1,30}", value)] if isinstance(value, str) else [value]
        if any(isinstance(number, int) and abs(number) > LONGEST for number in numbers):
            raise Spent(f"it pads by more than {LONGEST}")


@pass_context
def count_filter(context: Context, value: Any) -> Any:
    """`value | _count`: the value, counted."""
    return purse_of(context).made(value)


@pass_context
def join_filter(context: Context, value: Any, d: str = "", attribute: str | None = None) -> str:
    """`list | join(", ")`: the items, or one of their fields, one after the other."""
    items = [str(context.environment.getitem(item, attribute) if attribute else item) for item in value]
    purse_of(context).spend(1, sum(map(len, items)) + len(d) * len(items))
    return str(d).join(items)


@pass_context
def replace_filter(context: Context, s: Any, old: str, new: str, count: int = -1) -> str:
    """`text | replace(old, new)`."""
    text = str(s)
    purse_of(context).spend(1, len(text) + text.count(old) * len(new))
    return text.replace(old, new, -1 if count is None else count)


def indent_filter(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """`text | indent(4)`: lines moved to the right."""
    require_short(width)
    if isinstance(width, str) or _size(s) * width > CHARACTERS * 100:
        raise Spent("it indents too far")
    return do_indent(s, width, first, blank)


def json_filter(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON as it is, without HTML's signs in it."""
    require_short(indent)
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
