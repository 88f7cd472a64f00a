"""The loss of a bigram on a run's validation text: the line that every other model has to beat.

A bigram run beside it on the same text says it, as `hornbook quickstart` trains one; else pairs of tokens are counted.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.config import Layer, read_toml
from hornbook.errors import UserError
from hornbook.serving.following import news

if TYPE_CHECKING:
    import numpy as np

COUNTED, MEASURED = (
    5_000_000,
    500_000,
)  # tokens of the training part that are counted, of the validation part that are measured


def bigram_line(run: Path) -> dict[str, Any] | None:
    """{"loss": nats per token, "from": where it is known from}; None for a fine-tuning, a bigram, or a text that is gone."""
    try:
        settings = read_toml(run / "run.toml")
        if "finetune" in settings or settings.get("model", {}).get("kind") == "bigram":
            return None
        return _trained(run, settings) or _counted(run, settings)
    except (UserError, OSError, KeyError):
        return None


def _trained(run: Path, settings: Layer) -> dict[str, Any] | None:
    """The best validation loss of a bigram run beside this one, on the same text and the same share of it."""
    for other in sorted(run.parent.iterdir()):
        if other == run or not (other / "run.toml").is_file():
            continue
        theirs = read_toml(other / "run.toml")
        if theirs.get("model", {}).get("kind") == "bigram" and _measured_alike(settings, theirs):
            losses = [record["validation_loss"] for record in news(other).records if record["kind"] == "evaluation"]
            if found := [loss for loss in losses if loss is not None]:
                return {"loss": min(found), "from": f"the run “{other.name}” on the same text"}
    return None


def _measured_alike(ours: Layer, theirs: Layer) -> bool:
    def of(settings: Layer) -> tuple[Any, Any]:
        share = settings.get("training", {}).get("evaluate_fraction", 1.0)
        return settings.get("data", {}).get("fingerprint"), share

    return of(ours)[0] is not None and of(ours) == of(theirs)


def _counted(run: Path, settings: Layer) -> dict[str, Any] | None:
    import numpy as np

    from hornbook.batches.dataset import open_dataset

    data = settings["data"]
    dataset = open_dataset(run / data["folder"])
    if data.get("fingerprint") not in (None, dataset.info["fingerprint"]):
        return None
    train, val = (np.asarray(part[:count]) for part, count in ((dataset.train, COUNTED), (dataset.val, MEASURED)))
    if len(train) < 2 or len(val) < 2:
        return None
    source = "counted pairs of tokens"
    if len(dataset.train) > COUNTED:
        source += f" in the first {COUNTED:,}"
    return {"loss": counted_loss(train, val, dataset.vocab_size), "from": source}


def counted_loss(train: "np.ndarray", val: "np.ndarray", vocab_size: int) -> float:
    """The mean loss over `val`, in nats per token, of the pairs counted in `train`; both are token ids (N,).

    A pair is as likely as (its count + D p(b)) / (count of a + D), with D the number of different followers of a and
    p(b) how often b comes at all, one more than it was counted. Source: Witten and Bell 1991, method C.
    """
    import numpy as np

    def pairs(ids: "np.ndarray") -> "np.ndarray":
        joined: np.ndarray = ids[:-1].astype(np.int64) * vocab_size + ids[1:]
        return joined

    keys, counts = np.unique(pairs(train), return_counts=True)
    of_first = np.bincount(train[:-1], minlength=vocab_size)
    followers = np.bincount(keys // vocab_size, minlength=vocab_size)
    alone = (np.bincount(train, minlength=vocab_size) + 1) / (len(train) + vocab_size)
    asked = pairs(val)
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    count = np.where(keys[place] == asked, counts[place], 0)
    first, second = val[:-1], val[1:]
    spread = np.maximum(followers[first], 1)  # a token that never had a follower says nothing of the next one
    share = (count + spread * alone[second]) / (of_first[first] + spread)
    return float(-np.log(share).mean())
