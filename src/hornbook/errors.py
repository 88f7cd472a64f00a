"""What a user may do wrong, said in one line.

A `UserError` is the only exception that the command line turns into a message (exit code 2, no traceback).
Anything else that escapes is a defect of ours and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


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
    matches = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown(what: str, name: str, choices: Iterable[str]) -> UserError:
    """The error for a name that is not among the choices, with the near one as the hint."""
    choices = sorted(choices)
    near = nearest(name, choices)
    return UserError(f"unknown {what} '{name}'", choices=choices, hint=f"did you mean '{near}'?" if near else None)


class Interrupted(Exception):
    """The user asked a running command to stop, and it saved what it had; the message says how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
