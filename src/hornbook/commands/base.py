"""What every verb shares: where talk goes, and how a result is printed for programs."""

import json
import os
import sys


def talk(message: str) -> None:
    """Say something to the person at the terminal; results go to stdout, talk to stderr. Of several processes one talks."""
    if os.environ.get("RANK", "0") == "0":
        print(message, file=sys.stderr, flush=True)


def print_json(result: object) -> None:
    """The result as one JSON object and nothing else, for programs."""
    print(json.dumps(result, ensure_ascii=False))
