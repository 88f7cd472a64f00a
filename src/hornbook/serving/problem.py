"""What is wrong with a request, in the form that OpenAI's clients expect: {"error": {"message", "type", "param", "code"}}."""

from typing import Any


class Problem(Exception):
    """Refuse a request: an HTTP status, one sentence, and the parameter that it is about, if it is about one."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """The JSON that is sent."""
        return {"error": {"message": self.message, "type": self._kind(), "param": self.param, "code": self.code}}

    def _kind(self) -> str:
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 503: "server_error"}
        return kinds.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")


def too_busy(retry_after: int) -> Problem:
    """The queue is full."""
    problem = Problem(429, "too many requests are waiting; try again later", code="queue_full")
    problem.headers = {"Retry-After": str(retry_after)}
    return problem
