"""A place to run a text template of unknown origin: Jinja's sandbox, with a budget and with no way out.

What a template finds here is what Hugging Face's chat templates use: `raise_exception`, `strftime_now`, `namespace`,
`tojson`, `break` and `continue`, `generation` blocks. Refused by name: attributes that begin with an underscore,
import and include, methods that change a value, names that nobody defined. Every turn of a loop, every call and all
text that is made are counted, so that every template ends, and within memory.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Environment, Template, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from hornbook.errors import UserError
from hornbook.template_budget import (
    COUNT,
    JOIN,
    PURSE,
    Counting,
    Purse,
    Spent,
    count_filter,
    indent_filter,
    join_filter,
    json_filter,
    purse_of,
    replace_filter,
    require_short,
    times,
)

LEADS_OUT = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
NOT_HERE = ("attr", "batch", "center", "filesizeformat", "format", "pprint", "random", "slice", "urlize", "wordwrap")
PADDING = {"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map"}


class Said(TemplateError):
    """What a template says by `raise_exception`."""


class Named(Undefined):
    """A name or a field that is not there: a template may ask for it (`is defined`, `if`), not write it."""

    __slots__ = ()

    def __str__(self) -> str:
        """Errors: `UndefinedError` that names it, where Jinja would write nothing."""
        self._fail_with_undefined_error()
        return ""


class Fields(Namespace):
    """A template's `namespace(...)`, whose fields can't be those of Python itself."""

    def __setitem__(self, name: str, value: Any) -> None:
        """Set a field. Errors: `SecurityError` where its name begins with an underscore."""
        if str(name).startswith("_"):
            raise SecurityError(f"the field '{name}' is refused")
        super().__setitem__(name, value)


class Generation(Extension):
    """`{% generation %}...{% endgeneration %}` marks an answer for other programs; its text is written as it is."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> nodes.Node:
        """The block, a scope of its own."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)


LANGUAGE: dict[str, Any] = {  # what Hugging Face's chat templates are written in
    "trim_blocks": True,
    "lstrip_blocks": True,
    "undefined": Named,
    "extensions": [LoopControlExtension, Generation],
}


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment. A template of it is rendered by `render`, which gives it a purse."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, now: datetime | None = None) -> None:
        super().__init__(**LANGUAGE)
        self.filters = {name: each for name, each in self.filters.items() if name not in NOT_HERE}
        self.filters |= {"tojson": json_filter, "indent": indent_filter, "join": join_filter, "replace": replace_filter}
        self.filters[COUNT] = count_filter
        self.globals = {"range": range, "dict": _new_dict, "namespace": Fields, "raise_exception": _raise}
        self.globals["strftime_now"] = lambda form: (now or datetime.now()).strftime(form)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """The tree with what leads out refused and what has to be counted counted."""
        tree = super()._parse(source, name, filename)
        for node in tree.find_all((*LEADS_OUT, nodes.Getattr, nodes.Name, nodes.Macro)):
            if what := _refused(node):
                raise TemplateSyntaxError(f"{what} is refused", node.lineno, name, filename)
        counted: nodes.Template = Counting().visit(tree)
        for node in counted.find_all(nodes.Node):
            node.lineno = node.lineno or 1
        return counted.set_environment(self)  # type: ignore[return-value]

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Refuse at once, not first when the value is used. Errors: `SecurityError`."""
        raise SecurityError(f"'{attribute}' of a {type(obj).__name__} is refused")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`left operator right`, where the purse has it."""
        if operator == "**" and not all(isinstance(side, int) and abs(side) < 100 for side in (left, right)):
            raise Spent("a power is too large")
        if operator == "*":
            purse_of(context).spend(0, times(left, right) + times(right, left))
        if operator == "%" and isinstance(left, str):
            require_short(left, *(right if isinstance(right, tuple) else (right,)))
        return purse_of(context).made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function or a method; the call and what it makes are counted."""
        method = getattr(__obj, "__wrapped__", __obj)  # the sandbox wraps str.format
        name, owner = getattr(method, "__name__", ""), getattr(method, "__self__", None)
        if name in PADDING:
            require_short(*args, *kwargs.values(), owner if name.startswith("format") else None)
        if isinstance(owner, str) and name == "translate":
            raise SecurityError("'translate' of a str is refused")
        if isinstance(owner, str) and name == "join":
            return join_filter(__context, args[0], owner)
        if isinstance(owner, str) and name == "replace":
            return replace_filter(__context, owner, *args)
        purse_of(__context).spend(1, 0)
        return purse_of(__context).made(super().call(__context, __obj, *args, **kwargs))


def outside() -> Environment:
    """The environment without bounds, for templates written here: the same text in a third of the time."""
    environment = Environment(**LANGUAGE)
    environment.globals = {"raise_exception": _raise}
    return environment


def render(template: Template, messages: list[dict[str, str]], names: dict[str, Any]) -> str:
    """The text of a template, counted where it is one of a `Sandbox`. Errors: within `explained`, `UserError`."""
    if not isinstance(template.environment, Sandbox):
        return template.render(messages=messages, **names)
    purse = Purse(len(messages), sum(len(message["content"]) for message in messages))
    own = {PURSE: purse, COUNT: lambda value: value, JOIN: lambda *parts: "".join(map(str, parts))}
    return "".join(purse.made(piece) for piece in template.generate(messages=messages, **names, **own))


@contextmanager
def explained() -> Iterator[None]:
    """Whatever a template does wrong, as a `UserError` that names it."""
    try:
        yield
    except Said as error:
        raise UserError(f"the chat template refuses the conversation: {error}") from None
    except TemplateSyntaxError as error:
        raise UserError(f"the chat template can't be used: line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise UserError("the chat template can't be used: it calls itself without an end") from None
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise UserError(f"the chat template can't be used: {error}") from None


@lru_cache(maxsize=8)
def looked_for(source: str) -> frozenset[str]:
    """The texts that a template looks for in others: `content.split('</think>')` -> {'</think>'}."""
    with explained():
        tree = Environment(**LANGUAGE).parse(source)
    given = [each for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Getattr) for each in call.args]
    asked = [compare.expr for compare in tree.find_all(nodes.Compare) if compare.ops[0].op in ("in", "notin")]
    constants = [each.value for each in [*given, *asked] if isinstance(each, nodes.Const)]
    return frozenset(value for value in constants if isinstance(value, str))


def _refused(node: nodes.Node) -> str | None:
    """What a node of the tree does that no chat template may, or None."""
    if isinstance(node, LEADS_OUT):
        return f"'{re.sub('(?<!^)(?=[A-Z])', ' ', type(node).__name__).lower()}'"
    name = node.attr if isinstance(node, nodes.Getattr) else getattr(node, "name", "")
    if isinstance(node, nodes.Getattr):
        return f"the attribute '{name}'" if name.startswith("_") else None
    return f"the name '{name}'" if name in (PURSE, COUNT, JOIN) else None


def _new_dict(*items: Any, **named: Any) -> dict[Any, Any]:
    return dict(*items, **named)


def _raise(message: str) -> None:
    raise Said(message)
