"""`hornbook chat`: what is refused, then one message, messages from a file, the commands, and a real terminal."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.chat_template import named_template
from hornbook.cli import run
from hornbook.commands._conversation import Conversation
from hornbook.commands._conversation_commands import HELP, Quit, obey
from hornbook.commands._conversation_input import from_lines
from hornbook.commands._conversation_loop import answer, converse
from hornbook.conventions import plain
from hornbook.errors import UserError
from hornbook.generation.sampling import Sampling
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.weights.model_folder import save_model_folder

TEXT = "Once upon a time there was a fox. Who is there?\n" * 10


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model with a chat template, and the same model without one; random weights, context 128."""
    tokenizer = BPE.train([TEXT], vocab_size=290, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    config = LlamaConfig(vocab_size=290, context_length=128, num_layers=1, num_heads=2, embed_dim=16)
    model = Llama(config, torch.Generator().manual_seed(1))
    place = tmp_path_factory.mktemp("models")
    conventions = plain(tokenizer).with_template(named_template("chatml"), tokenizer)
    save_model_folder(place / "helper", model, tokenizer, conventions=conventions)
    save_model_folder(place / "writer", model, tokenizer)
    return str(place / "helper"), str(place / "writer")


@pytest.fixture
def conversation(folders: tuple[str, str]) -> Conversation:
    return Conversation(hornbook.load(folders[0]), folders[0], Sampling(), 6, 0, [])


def say(conversation: Conversation, *lines: str) -> list[str]:
    """The contents of the messages after these lines."""
    converse(conversation, from_lines(lines), shown=False, patient=False)
    return [message["content"] for message in conversation.messages]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "-1"], "temperature '-1'"),
        (["--max-new-tokens", "0"], "max_new_tokens '0' is below 1"),
        (["--template", "chatlm"], "unknown chat template 'chatlm'"),
        (["--message", "long " * 200], "the context holds 128; hint: shorten it"),
        (["--messages", "x"], "--messages"),
    ],
)
def test_what_is_wrong_is_one_line(folders, refused, arguments, message) -> None:
    said = [] if "--message" in arguments else ["--message", "Hi"]
    assert message in refused("chat", folders[0], *said, *arguments)


def test_a_model_without_a_template(folders, refused, capsys) -> None:
    line = refused("chat", folders[1], "--message", "Hi")
    assert f"'{folders[1]}' has no chat template; hint: " in line
    assert "--template alpaca|chatml|phi3" in line
    assert "hornbook generate" in line
    assert run(["chat", folders[1], "--message", "Hi", "--template", "alpaca", "--max-new-tokens", "3"]) == 0
    assert capsys.readouterr().out.strip()


def test_one_message_has_the_answer_alone_on_stdout(folders, capsys) -> None:
    flags = ["--message", "Hi", "--system", "Be brief.", "--max-new-tokens", "8", "--seed", "3"]
    assert run(["chat", folders[0], *flags]) == 0
    out, err = capsys.readouterr()
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    expected = hornbook.load(folders[0]).chat(messages, max_new_tokens=8, seed=3)
    assert out == expected + "\n"
    assert err == "(cut: the answer reached 8 tokens)\n"
    assert run(["chat", folders[0], *flags, "--json"]) == 0
    out, _ = capsys.readouterr()
    found = json.loads(out)
    assert out.count("\n") == 1
    assert found["messages"] == [*messages, {"role": "assistant", "content": expected}]
    assert (found["seed"], found["stopped_by"], found["settings"]["max_new_tokens"]) == (3, "length", 8)


def test_messages_from_stdin(folders, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('Hi\n\nWho \\\nis there?\n/temperature 0\n"""\none\ntwo"""\n'))
    assert run(["chat", folders[0], "--max-new-tokens", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    asked = [message["content"] for message in found["messages"] if message["role"] == "user"]
    assert asked == ["Hi", "Who \nis there?", "one\ntwo"]
    assert found["settings"]["temperature"] == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hi\n/temprature 0\nnever asked\n"))
    assert run(["chat", folders[0], "--max-new-tokens", "3"]) == 2
    out, err = capsys.readouterr()
    assert out.endswith("\n")
    assert err.splitlines()[-1].startswith("error: unknown command '/temprature'")
    assert "did you mean '/temperature'?" in err


@pytest.mark.parametrize(
    ("lines", "messages"),
    [
        (["a", "", "  ", "b"], ["a", "b"]),
        (["a\\", "b\\", "c", "d"], ["a\nb\nc", "d"]),
        (["a\\"], ["a\n"]),
        (['"""a"""', '"""', "b", "", 'c"""', "d"], ["a", "b\n\nc", "d"]),
        (['"""a', '"""'], ["a"]),
        (['"""', "never closed"], ["never closed"]),
    ],
)
def test_messages_of_several_lines(lines: list[str], messages: list[str]) -> None:
    assert list(from_lines(line + "\n" for line in lines)) == messages


def test_the_commands(conversation: Conversation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = say(conversation, "Hi")
    assert first[0] == "Hi"
    again = say(conversation, "/retry")
    assert again[0] == "Hi"
    assert again[1] != first[1]
    assert len(say(conversation, "Who?")) == 4
    say(conversation, f"/save {tmp_path / 'talk.json'}")
    saved = list(conversation.messages)
    assert say(conversation, "/system Be brief.") == ["Be brief."]
    assert len(say(conversation, "Hi")) == 3
    assert say(conversation, "/reset") == ["Be brief."]
    assert conversation.system == "Be brief."
    say(conversation, f"/load {tmp_path / 'talk.json'}")
    assert conversation.messages == saved
    say(conversation, "/temperature 0", "/temperature", "/system", "/help", "/retry")
    assert conversation.sampling.greedy
    said = capsys.readouterr().err
    assert "temperature 0\ntemperature 0\nthere is no text of the system\n" in said
    assert HELP in said
    assert "(at temperature 0 the same answer comes again)" in said
    assert max(map(len, HELP.splitlines())) <= 80
    with pytest.raises(Quit):
        obey("/quit", conversation, print)
    assert say(conversation, "/reset", "/quit", "never asked") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/retry", "there is no answer to try again"),
        ("/save", "/save needs a file"),
        ("/temperature hot", "hot"),
        ("/temperature -1", "temperature '-1'"),
        ("/lod x", "unknown command '/lod'"),
        ("/load {}/absent.json", "no such file"),
        ("/load {}/list.json", "is no saved conversation"),
        ("/load {}/empty.json", "has no messages"),
        ("/load {}/role.json", "unknown role in message 1: 'you'"),
        ("/load {}/turns.json", "don't take turns"),
    ],
)
def test_a_command_that_can_not_be_done_changes_nothing(conversation, tmp_path, line, message) -> None:
    form = {"format": "hornbook conversation"}
    user = {"role": "user", "content": "x"}
    for name, content in (
        ("list", []),
        ("empty", form),
        ("role", {**form, "messages": [{"role": "you", "content": "x"}]}),
        ("turns", {**form, "messages": [user, user]}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    before = conversation.as_json()
    with pytest.raises(UserError, match=message):
        obey(line.format(tmp_path), conversation, print)
    assert conversation.as_json() == before


def test_an_answer_that_is_stopped_is_kept_as_far_as_it_came(conversation, monkeypatch, capsys) -> None:
    plain_stream = conversation.language_model.stream_chat

    def interrupted(number: int) -> Callable[..., object]:
        def stream(*arguments: object, **named: object) -> Iterator[str]:
            writing = plain_stream(*arguments, **named)
            pieces = writing._pieces

            def some() -> Iterator[str]:
                for _ in range(number):
                    yield next(pieces)
                raise KeyboardInterrupt

            writing._pieces = some()
            return writing

        return stream

    conversation.max_new_tokens = 30
    monkeypatch.setattr(conversation.language_model, "stream_chat", interrupted(2))
    answer(conversation, "Hi", shown=True)
    out, err = capsys.readouterr()
    assert (err, conversation.stopped_by) == ("(stopped)\n", "you")
    assert conversation.messages[1:] == [{"role": "assistant", "content": out[:-1]}]
    assert out.strip()
    monkeypatch.setattr(conversation.language_model, "stream_chat", interrupted(0))
    answer(conversation, "never answered", shown=True)
    assert len(conversation.messages) == 2


def test_a_full_context_is_said(conversation, capsys) -> None:
    for _ in range(6):
        answer(conversation, "Who is there, and where is the fox?", shown=False)
    said = capsys.readouterr().err
    assert "(the context is full: the oldest 2 messages are left out, the system's text stays)" in said
    assert conversation.as_json()["left_out"] > 0
    assert len(conversation.messages) == 12  # nothing is forgotten on disk


def test_help_does_not_import_torch() -> None:
    program = "import sys; from hornbook.cli import run; run(['chat', '--help']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr


class Terminal:
    """A program in a terminal of its own: what it shows, and keys for it."""

    def __init__(self, *command: str) -> None:
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a background job starts ignores it, and hands that on
            os.execv(sys.executable, [sys.executable, "-m", "hornbook", *command])
        self.shown = ""

    def wait_for(self, text: str, seconds: float = 120) -> str:
        """All that is shown up to `text`."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < end, f"waited for {text!r}, saw {self.shown!r}"
            if select.select([self.screen], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.screen, 4096).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"it ended before {text!r}: {self.shown!r}") from None
        before, _, self.shown = self.shown.partition(text)
        return before

    def press(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def leave(self) -> int:
        """The exit code; a program that is still there is killed."""
        try:
            for _ in range(300):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    return os.waitstatus_to_exitcode(status)
                if select.select([self.screen], [], [], 0.1)[0]:
                    with suppress(OSError):  # it has closed its side
                        os.read(self.screen, 4096)
                    time.sleep(0.05)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            return -1
        finally:
            os.close(self.screen)  # only now: closed earlier, the program would be ended by SIGHUP


@pytest.mark.slow
def test_in_a_terminal(folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type, stop an answer with Ctrl-C, go on, save, and end with Ctrl-D."""
    monkeypatch.setenv("PYTHONPATH", str(Path(hornbook.__file__).parents[1]))
    terminal = Terminal("chat", folders[0], "--max-new-tokens", "6")
    try:
        talk_in(terminal, tmp_path / "talk.json")
    finally:
        code = terminal.leave()
    assert code == 0
    messages = json.loads((tmp_path / "talk.json").read_text())["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[0]["content"] == "Who \nis there?"


def talk_in(terminal: Terminal, file: Path) -> None:
    terminal.wait_for("Ctrl-D ends")
    terminal.wait_for("> ")
    terminal.press("Who \\\n")
    terminal.wait_for(". ")
    terminal.press("is there?\n")
    terminal.wait_for("(cut: the answer reached 6 tokens)")
    terminal.wait_for("> ")
    terminal.press("half a line")
    terminal.wait_for("half a line")
    time.sleep(0.5)  # a signal between Python's look for signals and its wait for keys is seen at the next key only
    terminal.press("\x03")
    terminal.wait_for("(Ctrl-D or /quit ends)")
    terminal.wait_for("> ")
    terminal.press(f"/save {file}\n")
    terminal.wait_for("saved to")
    terminal.wait_for("> ")
    terminal.press("\x04")
    time.sleep(1)
