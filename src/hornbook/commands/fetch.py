"""`hornbook fetch`: put a published text, or stories of the village, on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from hornbook.corpora._generated import GeneratedCorpus


def fetch(
    name: str,
    /,
    *,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    out: Path | None = None,
    part: str = "train",
    count: int | None = None,
    seed: int = 1,
    json: bool = False,
) -> None:
    """Download a corpus and check it: hornbook fetch verdict. Then hornbook prepare verdict finds it.

    A download that broke off goes on where it stopped. On a machine without network, bring the file another way:
    hornbook fetch verdict --from the-verdict.txt.

    Parameters
    ----------
    name
        verdict, meditations, tiny-shakespeare, sms-spam, instructions, preferences; or what is made here, without a
        network: village (stories), village-questions, village-facts, village-preferences, village-notices.
    from_
        A copy of the file (or of its archive) to take instead of downloading.
    out
        The folder to put it in (default: the cache, $HORNBOOK_HOME/corpora or ~/.cache/hornbook/corpora).
        For what is made here: the .jsonl file to write. village: one story a line with its questions, topic, mood and
        statements; village-questions: conversations about stories; village-facts: about facts alone;
        village-preferences: a true and a false answer; village-notices: letters and notices, with their labels.
    part
        For what is made here: train, val or test.
    count
        For what is made here: how many lines (village: 1,000).
    seed
        For what is made here: the number that decides them.
    json
        Print one JSON object with the path, the size and the sha256.
    """
    from hornbook.commands.base import print_json, talk
    from hornbook.corpora._generated import GeneratedCorpus
    from hornbook.corpora.base import DownloadedCorpus, open_corpus
    from hornbook.errors import UserError
    from hornbook.files import sha256_of

    corpus = open_corpus(name)
    if isinstance(corpus, DownloadedCorpus):
        path = corpus.fetch(out, from_file=from_, notify=talk)
        talk(f"{corpus.description} ({corpus.licence})")
    elif isinstance(corpus, GeneratedCorpus):
        path = _write_examples(corpus, from_, out, part, count, seed)
    elif corpus.name != "village":
        raise UserError(f"'{name}' is built in: there is nothing to fetch", hint=f"hornbook prepare {name}")
    else:
        path = _write_stories(from_, out, part, 1000 if count is None else count, seed)
    if json:
        print_json({"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_of(path)})
    else:
        print(path)


def _write_examples(
    corpus: "GeneratedCorpus", from_: Path | None, out: Path | None, part: str, count: int | None, seed: int
) -> Path:
    """Write examples to `out`; without it those of the cache folder, as `--data NAME` finds them."""
    from hornbook.errors import UserError, unknown
    from hornbook.village.casting import PARTS

    if from_ is not None:
        raise UserError(f"'{corpus.name}' is made here: there is nothing to take from '{from_}'")
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    if out is not None:
        return type(corpus)(count, seed).write(out, part)
    if (part, count, seed) != ("train", None, 1):
        raise UserError("other examples than the usual ones need a file of their own", hint="--out FILE.jsonl")
    return corpus.cached()


def _write_stories(from_: Path | None, out: Path | None, part: str, count: int, seed: int) -> Path:
    """Write stories of the village as JSON lines to `out`, atomically."""
    import json
    from dataclasses import asdict

    from hornbook.errors import UserError
    from hornbook.files import write_atomic
    from hornbook.village.stories import stories

    if from_ is not None or out is None:
        raise UserError(
            "'village' is built in: there is nothing to fetch",
            hint="hornbook prepare village, or write its stories to a file with --out village.jsonl",
        )
    if count < 1:
        raise UserError(f"count must be at least 1, not '{count}'")
    lines = [json.dumps(asdict(story), ensure_ascii=False) + "\n" for story in stories(seed, count, part)]
    write_atomic(out, "".join(lines))
    return out
