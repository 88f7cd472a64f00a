"""What a classifier is told beside what every fine-tuning is: its keys of the section [finetune]."""

from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from hornbook.config import Settings

Balance = Literal["none", "downsample", "weights"]
Pooling = Literal["last", "mean"]
Trained = Literal["head", "last_block", "all"]


class ClassifierSettings(Settings):
    """Columns, balance, parts, and what is made of the model.

    balance downsample keeps as many texts of every class as the rarest has, weights lets each class count alike in the
    loss. `smoothing` is how much of the truth is spread over all classes. The file is split by `training.seed`;
    `validation` and `test` may be files of their own, with the same columns; their hashes are written into run.toml.
    """

    text: str = "text"
    label: str = "label"
    balance: Balance = "none"
    train_fraction: float = Field(default=0.7, gt=0, lt=1)
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    validation: str | None = None
    test: str | None = None
    validation_hash: str | None = None
    test_hash: str | None = None
    pooling: Pooling = "last"
    trained: Trained = "all"
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    max_length: PositiveInt | None = None  # of a text, in tokens; None: the model's context

    @field_validator("text", "label", mode="before")
    @classmethod
    def _number_or_name(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value  # a column by its number, as a flag reads it

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.test is None and self.train_fraction + self.validation_fraction >= 1:
            raise ValueError(f"{self.train_fraction} to train and {self.validation_fraction} to validate leave no test")
        return self
