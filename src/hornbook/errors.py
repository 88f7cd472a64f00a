"""What a user may do wrong, said in one line.

A `UserError` is the only exception that the command line turns into a message (exit code 2, no traceback).
Anything else that escapes is a defect of ours and keeps its traceback.
"""

import difflib
from collections.abc import Iterable

LISTED_CHOICES, NEAR_CHOICES = 8, 3  # so many are all named; of more, the nearest few


class UserError(Exception):
    """A mistake that the user can mend: the value, the choices and a hint, in one line.

    >>> str(UserError("unknown recipe 'shakespear'", choices=["shakespeare-char"], hint="did you mean 'shakespeare-char'?"))
    "unknown recipe 'shakespear' (choices: shakespeare-char); hint: did you mean 'shakespeare-char'?"
    """

    def __init__(self, message: str, *, choices: Iterable[str] = (), hint: str | None = None) -> None:
        listed = ", ".join(choices)
        line = message + (f" (choices: {listed})" if listed else "") + (f"; hint: {hint}" if hint else "")
        super().__init__(" ".join(line.split()))  # a value from a file may hold line ends; the message stays one line


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice most like `name`, or None where nothing is near: 'tranform', ['transform', 'train'] -> 'transform'."""
    matches = _likest(name, list(choices), 1, 0.6)
    return matches[0] if matches else None


def unknown(what: str, name: str, choices: Iterable[str], see: str | None = None) -> UserError:
    """The error for a name that is not among the choices, with the near one as the hint.

    Of many choices the nearest few are named, and `see` says where all of them stand: "hornbook train lists them all".
    """
    choices = sorted(choices)
    near = nearest(name, choices)
    hints = [f"did you mean '{near}'?"] if near else []
    if len(choices) > LISTED_CHOICES:
        *few, last = _likest(name, choices, NEAR_CHOICES, 0.0)
        choices = [*few, f"{last} and {len(choices) - NEAR_CHOICES} more"]
        hints += [see] if see else []
    return UserError(f"unknown {what} '{name}'", choices=choices, hint=" ".join(hints) or None)


def _likest(name: str, choices: list[str], count: int, cutoff: float) -> list[str]:
    """At most `count` choices of at least `cutoff` likeness, the likest first.

    A section that they all share doesn't count, or 'model.foo' would be near 'model.dropout'.
    """
    section = name[: name.rfind(".") + 1]
    if not all(choice.startswith(section) for choice in choices):
        section = ""
    ends = [choice.removeprefix(section) for choice in choices]
    return [section + end for end in difflib.get_close_matches(name.removeprefix(section), ends, count, cutoff)]


class LostRank(UserError):
    """Another process of the same run is gone or hangs: what any of those that are left may have to say."""


class Interrupted(Exception):
    """The user asked a running command to stop, and it saved what it had; the message says how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


class Failed(Exception):
    """What a command was asked to find out, and the answer is no: printed as it is, exit code 1."""
