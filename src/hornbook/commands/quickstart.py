"""`hornbook quickstart`: from raw text to a model that writes, with a bigram beside it, in about two minutes."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

MINUTES, CHAT_MINUTES = 1.5, 5.0


def quickstart(
    *texts: str,
    chat: bool = False,
    minutes: float | None = None,
    out: Path | None = None,
    seed: int = 0,
    watch: bool = False,
    open: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Take a text to a model that writes: tokens, a bigram to beat, a GPT, samples, pictures and a table.

    Without TEXTS the built-in village tells the stories (offline, no download). The sizes of vocabulary and model
    follow from the amount of text, the number of steps from the minutes and the speed of this machine.

    With --chat the model that has read the village's stories goes on to learn to answer questions about a story, and at
    a terminal the conversation begins.

    Parameters
    ----------
    texts
        Files or folders with your own text, or the name of a corpus (see hornbook fetch).
    chat
        Make an assistant: read the village's stories, then learn from conversations about them.
    minutes
        How long to train, all models together (default: 1.5; with --chat 5).
    out
        Where to put everything (default: runs/quickstart, then runs/quickstart-2 and so on).
    seed
        The seed of every random choice.
    watch
        Serve a page for this machine with the curves and samples of the models while they train.
    open
        Open that page in a browser.
    device
        auto, cpu, cuda or mps.
    json
        Print the result as one JSON object.
    """
    from hornbook.errors import UserError

    minutes = (CHAT_MINUTES if chat else MINUTES) if minutes is None else minutes
    if not 0 < minutes < float("inf"):  # so that nan is refused too
        raise UserError(f"minutes must be a number above 0, not '{minutes}'")
    if chat:
        if texts not in ((), ("village",)):
            hint = "train on your own text without --chat, then: hornbook finetune chat MODEL --data FILE"
            raise UserError(f"--chat teaches an assistant for the village, not for '{texts[0]}'", hint=hint)
        out = out or _free(Path("runs/quickstart-chat"))
        _make_assistant(minutes * 60, out, seed, device, json, _page(out, watch, open))
    else:
        out = out or _free(Path("runs/quickstart"))
        _make_writer(texts or ("village",), minutes * 60, out, seed, device, json, _page(out, watch, open))


def _page(out: Path, watch: bool, opened: bool) -> AbstractContextManager[object]:
    """The page of the folder's runs, where it is wanted."""
    from hornbook.commands._watch import watching

    return watching(out, watch, opened, several=True)


def _make_writer(
    texts: tuple[str, ...],
    seconds: float,
    out: Path,
    seed: int,
    device: str,
    json: bool,
    page: AbstractContextManager[object],
) -> None:
    from hornbook.commands._quickstart import Quickstart
    from hornbook.commands.base import print_json

    result = Quickstart(texts, seconds, out, seed, device, page).run()
    if json:
        print_json(result.as_json())
    else:
        result.show()


def _make_assistant(
    seconds: float, out: Path, seed: int, device: str, json: bool, page: AbstractContextManager[object]
) -> None:
    """Make it, say what came out, and at a terminal begin to talk."""
    from hornbook.commands._quickstart_chat import ChatQuickstart
    from hornbook.commands.base import print_json

    result = ChatQuickstart(seconds, out, seed, device, page).run()
    if json:
        print_json(result.as_json())
        return
    result.show()
    if sys.stdin.isatty():
        result.talk()


def _free(path: Path) -> Path:
    """The first of runs/quickstart, runs/quickstart-2, ... that isn't there."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
