"""The command line: finds the verbs, runs one, and turns a user's mistake into one line and exit code 2."""

import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, get_args, get_origin

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from hornbook.discovery import names, typed
from hornbook.errors import Failed, Interrupted, LostRank, UserError
from hornbook.files import disk_errors
from hornbook.version import __version__


def build_app() -> App:
    """The application with one command for each file in commands/; importing them never imports torch."""
    app = App(
        name="hornbook",
        help="A language model from the letters up: raw text, tokens, training, generation.",
        version=__version__,
        default_parameter=Parameter(negative=(), show_default=_shown_default),
    )
    for verb in names("commands"):
        app.command(getattr(importlib.import_module(f"hornbook.commands.{verb}"), verb))
    _name_arguments(app, "hornbook")
    return app


def _shown_default(value: Any) -> str | None:
    """A default as the help shows it: nothing for a flag that is off, an empty text or an empty list."""
    return None if value is None or value is False or value in ("", (), []) else str(value)


def _name_arguments(app: App, words: str) -> None:
    """Give every command below `app` a usage line of its own; cyclopts calls what may be left out [ARGS...]."""
    for name in set(app) - {*app.help_flags, *app.version_flags}:
        command = app[name]
        _name_arguments(command, f"{words} {name}")
        if command.default_command is not None:
            command.usage = " ".join([words, name, *_usage(command.default_command)])


def _usage(function: Callable[..., Any]) -> list[str]:
    """The words behind a command's name: `prepare(*source, out: Path, clean="standard")` -> --out PATH [OPTIONS] [SOURCE...]."""
    before, options, behind = [], [], []
    for parameter in inspect.signature(function).parameters.values():
        name, needed = parameter.name.rstrip("_").replace("_", "-"), parameter.default is parameter.empty
        if parameter.kind is parameter.VAR_POSITIONAL:
            behind.append(f"[{name.upper()}...]")
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            behind.append(name.upper() if needed else f"[{name.upper()}]")
        elif needed:
            before.append(f"--{name} {_value_name(parameter.annotation, name)}")
        else:
            options = ["[OPTIONS]"]
    return [*before, *options, *behind]


def _value_name(annotation: Any, name: str) -> str:
    """What stands for an option's value, as cyclopts writes it: the type's name; the option's own where it has several."""
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return (plain.__name__ if isinstance(plain, type) else name).upper()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `hornbook ARGUMENTS` and exit: 0 done, 1 the answer is no, 2 a user's mistake, 130 and 143 interrupted."""
    signal.signal(signal.SIGTERM, _leave)
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as leaving:  # SIGTERM, or an incident of which another process tells
        if alone or not isinstance(leaving.code, int):
            raise
        code = leaving.code
    if not alone:
        _end_at_once(code)
    sys.exit(code)


def _end_at_once(code: int) -> None:
    """Leave one of several processes without taking the interpreter apart.

    A thread of gloo may still want it then, which ends the process by SIGABRT, and torchrun then all the others,
    among them the one that is still writing what they made (seen once in some hundred runs; pytorch/pytorch#179291).
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or its reader gone
            stream.flush()
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code of one command; what it has to say about a failure is one line on stderr."""
    try:
        with disk_errors(Path.cwd()):
            build_app()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
    except UserError as error:
        return _fail(f"error: {error}", 2, everywhere=isinstance(error, LostRank))
    except CycloptsError as error:
        return _fail(f"error: {_in_our_words(error, arguments)}", 2)
    except Failed as error:
        return _fail(str(error), 1)
    except Interrupted as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("stopped; nothing half-written was left", 130)
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        sys.stdout = None
        return 0
    return 0


def _in_our_words(error: CycloptsError, arguments: Sequence[str]) -> str:
    """What cyclopts says, as one line without a full stop, and which help to read."""
    line = " ".join(str(error).split()).rstrip(".")
    verb = [name for name in arguments[:1] if name in map(typed, names("commands"))]
    quotes = "a text of several words stands in quotes; " if isinstance(error, UnusedCliTokensError) else ""
    return f"{line[:1].lower()}{line[1:]}; hint: {quotes}{' '.join(['hornbook', *verb, '--help'])}"


def _fail(line: str, code: int, *, everywhere: bool = False) -> int:
    """Say it; of several processes that fail alike only the first does."""
    if everywhere or os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr)
    return code


def _leave(number: int, frame: FrameType | None) -> None:
    """SIGTERM as an exception, so that files being written beside their place are removed."""
    raise SystemExit(128 + number)
