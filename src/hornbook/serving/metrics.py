"""What a server counts, in the text that Prometheus reads."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from time import time


@dataclass
class Metrics:
    """Counters since the start; changed in the server's event loop only."""

    started: float = field(default_factory=time)
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)  # (path, status)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))  # by path, in all
    prompt_tokens: int = 0
    tokens: int = 0
    steps: int = 0

    def text(self, running: int, waiting: int) -> str:
        """All of it, and how many texts are being written and waiting now."""
        lines: list[str] = []
        add(lines, "hornbook_requests_total", "counter", "Requests answered.", [
            (f'{{path="{path}",status="{status}"}}', count) for (path, status), count in sorted(self.requests.items())
        ])  # fmt: skip
        add(lines, "hornbook_request_seconds_total", "counter", "Seconds that requests took.", [
            (f'{{path="{path}"}}', round(seconds, 6)) for path, seconds in sorted(self.seconds.items())
        ])  # fmt: skip
        add(lines, "hornbook_prompt_tokens_total", "counter", "Tokens of prompts.", [("", self.prompt_tokens)])
        add(lines, "hornbook_generated_tokens_total", "counter", "Tokens written.", [("", self.tokens)])
        add(lines, "hornbook_steps_total", "counter", "Steps of the engine that wrote tokens.", [("", self.steps)])
        add(lines, "hornbook_texts_running", "gauge", "Texts being written.", [("", running)])
        add(lines, "hornbook_texts_waiting", "gauge", "Texts that wait.", [("", waiting)])
        add(lines, "hornbook_start_time_seconds", "gauge", "When the server began.", [("", round(self.started, 3))])
        return "\n".join(lines) + "\n"


def add(lines: list[str], name: str, kind: str, meaning: str, values: list[tuple[str, float]]) -> None:
    """One metric with its values by labels."""
    lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{labels} {value}" for labels, value in values]
