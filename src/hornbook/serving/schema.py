"""What may be asked: OpenAI's requests, typed. What isn't implemented here is refused by its name, never ignored."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from hornbook.errors import UserError
from hornbook.generation.sampling import Sampling

Text = Annotated[str, StringConstraints(max_length=2_000_000)]
Stop = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Id = Annotated[int, Field(ge=0, lt=2**31)]
WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {  # taken where they ask for nothing
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
    "best_of": (None, 1),
    "suffix": (None, ""),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
}
OF_NO_CONCERN = ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key")


class Asked(BaseModel):
    """What all requests share."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)

    model: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_effect(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for name, harmless in WITHOUT_EFFECT.items():
            if name in values and values[name] not in harmless and name not in cls.model_fields:
                raise ValueError(f"{name} is not implemented here")
        dropped = {*WITHOUT_EFFECT, *OF_NO_CONCERN} - set(cls.model_fields)
        return {name: value for name, value in values.items() if name not in dropped}


class StreamOptions(BaseModel):
    """Whether the last chunk of a stream counts the tokens."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    include_usage: bool = False


class Drawing(Asked):
    """How text is drawn, how much of it, and how it is sent."""

    n: int = Field(default=1, ge=1)
    stream: bool = False
    return_token_ids: bool = False  # beside OpenAI's: the ids of what was written, as vLLM gives them
    stream_options: StreamOptions | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    temperature: float | None = Field(default=None, ge=0, le=100)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repetition_penalty: float | None = Field(default=None, gt=0, le=1000)

    @field_validator("n", "stream", mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any, info: Any) -> Any:
        return cls.model_fields[info.field_name].default if value is None else value

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with a count."""
        return self.stream_options is not None and self.stream_options.include_usage

    def sampling(self) -> Sampling:
        """How to draw; as OpenAI's, all tokens may come at temperature 1 where nothing is said."""
        try:
            return Sampling(
                temperature=1.0 if self.temperature is None else self.temperature,
                top_k=self.top_k,
                top_p=self.top_p,
                min_p=self.min_p,
                repetition_penalty=self.repetition_penalty or 1.0,
            )
        except UserError as error:
            raise ValueError(str(error)) from None


class CompletionRequest(Drawing):
    """/v1/completions: texts to write on."""

    prompt: (
        Text
        | Annotated[list[Text], Field(min_length=1)]
        | Annotated[list[Id], Field(min_length=1)]
        | Annotated[list[Annotated[list[Id], Field(min_length=1)]], Field(min_length=1)]
    ) = ""
    max_tokens: int | None = Field(default=16, ge=0)
    logprobs: int | None = Field(default=None, ge=0, le=20)
    echo: bool | None = False

    def prompts(self) -> list[str | list[int]]:
        """One for each text that is to be written on: a text, or its tokens."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        return _each(self.prompt)


class Part(BaseModel):
    """A part of a message's content; only text is read here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["text"]
    text: Text


def _each(items: Sequence[str] | Sequence[int] | Sequence[list[int]]) -> list[str | list[int]]:
    """Several texts or token lists; one list of tokens alone is one text."""
    tokens = [item for item in items if isinstance(item, int)]
    return [tokens] if tokens else [item for item in items if not isinstance(item, int)]


class ChatMessage(BaseModel):
    """A message of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[list[Part], Field(min_length=1)]
    name: str | None = None

    def plain(self) -> dict[str, str]:
        """As a chat template reads it."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class ChatRequest(Drawing):
    """/v1/chat/completions: a conversation to answer."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)

    @model_validator(mode="after")
    def _check(self) -> "ChatRequest":
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        return self


class EmbeddingRequest(Asked):
    """/v1/embeddings: texts to be vectors."""

    input: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=2048)]
        | Annotated[list[Id], Field(min_length=1)]
        | Annotated[list[Annotated[list[Id], Field(min_length=1)]], Field(min_length=1, max_length=2048)]
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: None = None

    def inputs(self) -> list[str | list[int]]:
        """Each text, or its tokens."""
        if isinstance(self.input, str):
            return [self.input]
        return _each(self.input)


class ClassifyRequest(Asked):
    """/v1/classify: texts to be told apart."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=2048)]
