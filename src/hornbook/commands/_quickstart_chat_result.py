"""What a quickstart of an assistant found: what it answered before and after, and how to talk to it."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill, indent
from typing import Any

from hornbook.chat_template import Message
from hornbook.commands._quickstart_result import Measured
from hornbook.commands.base import talk
from hornbook.device import peak_memory_bytes
from hornbook.evaluation.base import Findings
from hornbook.generation.generate import LanguageModel

RIGHT, ENDED = "right (share)", "ended by themselves (share)"


@dataclass(frozen=True)
class ChatResult:
    """All that the last screen shows; `begun` is a conversation about one more story, to go on with."""

    out: Path
    base: Measured
    assistant: LanguageModel
    folder: Path
    before: dict[str, float]
    after: Findings
    begun: list[Message]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "base": str(self.base.folder),
            "model": str(self.folder),
            "parameters": self.base.parameters,
            "questions": int(self.before["questions"]),
            "right_before": self.before[RIGHT],
            "right_after": self.after.numbers[RIGHT],
            "ended_by_themselves": self.after.numbers[ENDED],
            "by_kind": {
                name.removeprefix("right, ").removesuffix(" (share)"): value
                for name, value in self.after.numbers.items()
                if name.startswith("right, ")
            },
            "conversation": [dict(message) for message in self.begun],
            "peak_memory_bytes": peak_memory_bytes(),
            "seconds": round(self.seconds, 1),
        }

    def show(self) -> None:
        """Print it on stdout, with an answer or two."""
        numbers, asked = self.after.numbers, self.before["questions"]
        print(f"\nOf {asked:.0f} questions, each about a story that it never read, it answers exactly:\n")
        print(f"  before the fine-tuning  {self.before[RIGHT]:4.0%}")
        print(f"  after it                {numbers[RIGHT]:4.0%}\n")
        print("Another one, and what it says:\n")
        for message in self.begun:
            said = fill(message["content"], 78) if message["role"] == "user" else f"-> {message['content']}"
            print(indent(said, "  "))
        print(f"\n{numbers[ENDED] * asked:.0f} of {asked:.0f} answers ended by themselves.")
        print(f"{peak_memory_bytes() / 1e6:,.0f} MB of memory at most, {self.seconds:.0f} seconds in all.\n")
        print(f"picture  {self.out / 'chat' / 'pictures' / 'loss.png'}")
        print(f"model    {self.folder}\n\nGive it a story, then ask about it:")
        print(f"  hornbook chat {self.folder} --temperature 0")
        print(f"  hornbook serve {self.folder} --open")

    def talk(self) -> None:
        """Go on with the conversation at the terminal."""
        from hornbook.commands._conversation import Conversation
        from hornbook.commands._conversation_input import from_terminal
        from hornbook.commands._conversation_loop import converse
        from hornbook.generation.sampling import Sampling

        conversation = Conversation(self.assistant, str(self.folder), Sampling(temperature=0), 64, 0, ())
        conversation.messages = [dict(message) for message in self.begun]
        talk("\nask more about this story, or give another with a question; /help says what else there is, Ctrl-D ends")
        converse(conversation, from_terminal(), shown=True, patient=True)
