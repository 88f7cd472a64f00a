"""`hornbook show next`: the distribution that the next token is drawn from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.generation.generate import LanguageModel

LABEL, NUMBER = 15, 6  # columns of a token's text and of a percentage
REST = "all others"


def next_token(
    model: str,
    text: str,
    /,
    *,
    temperature: tuple[float, ...] = (0.1, 1.0, 5.0),
    top_k: int | None = None,
    count: int = 10,
    device: str = "auto",
    picture: Path | None = None,
    json: bool = False,
) -> None:
    """Show how likely each next token is, at several temperatures: hornbook show next runs/tales "The fox was"

    Temperature 1 is what the model learned; below it the likely become likelier, above it all become alike.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model.
    text
        The text that the token would follow.
    temperature
        A number above 0 that the logits are divided by; may be given several times.
    top_k
        Leave only the k likeliest tokens, before the temperature.
    count
        How many tokens to list.
    device
        auto, cpu, cuda or mps.
    picture
        Draw the bars as PICTURE.png and PICTURE.svg.
    json
        Print one JSON object: for each temperature the tokens' probabilities.
    """
    from hornbook.commands._show_terminal import print_pictures
    from hornbook.commands._show_text import read_text
    from hornbook.commands.base import print_json
    from hornbook.errors import UserError
    from hornbook.generation.sampling import Sampling
    from hornbook.pictures.distributions import next_token_bars

    if count < 1:
        raise UserError(f"count '{count}' is below 1")
    for value in temperature:
        if not 0 < value < float("inf"):
            raise UserError(f"temperature '{value:g}' is not a number above 0", hint="0.1 is close to greedy")
    samplings = [Sampling(temperature=value, top_k=top_k) for value in dict.fromkeys(temperature)]
    language_model, ids = read_text(model, text, device)
    rows = _distributions(language_model, ids, samplings, min(count, top_k or count))
    drawn = {f"temperature {value:g}": _labelled(found) for value, found in rows.items()}
    title = f"After {text[-40:]!r}"
    paths = next_token_bars(drawn, picture, title=title, rest=REST) if picture is not None else []
    if json:
        found = [{"temperature": value, **row} for value, row in rows.items()]
        asked = {"text": text, "ids": ids, "top_k": top_k}
        print_json({**asked, "distributions": found, "pictures": list(map(str, paths))})
        return
    _print(text, rows)
    print_pictures(paths)


def _distributions(
    language_model: "LanguageModel", ids: list[int], samplings: list[Any], count: int
) -> dict[float, dict[str, Any]]:
    """Temperature -> {tokens: [{id, text, probability}, ...], rest}: the same tokens in each, the likeliest first."""
    import torch

    from hornbook.generation.sampling import probabilities

    tokenizer, module = language_model.tokenizer, language_model.model
    with torch.inference_mode():
        tokens = torch.tensor([ids], device=next(module.parameters()).device)
        logits = module(tokens)[0, -1, : tokenizer.vocab_size].double().cpu()  # padded ids are never drawn
    best = logits.topk(min(count, len(logits))).indices.tolist()
    found = {}
    for sampling in samplings:
        shares = probabilities(logits, sampling)
        listed = [
            {"id": token, "text": tokenizer.token_text(token), "probability": round(float(shares[token]), 8)}
            for token in best
        ]
        rest = max(0.0, 1.0 - float(shares[best].sum()))
        found[sampling.temperature] = {"tokens": listed, "rest": round(rest, 8)}
    return found


def _labelled(found: dict[str, Any]) -> dict[str, float]:
    """Label -> probability for a picture; two tokens that read alike are told apart by their ids."""
    texts = [token["text"] for token in found["tokens"]]
    labels = [
        token["text"] if texts.count(token["text"]) == 1 else f"{token['text']} {token['id']}"
        for token in found["tokens"]
    ]
    shares = dict(zip(labels, (token["probability"] for token in found["tokens"]), strict=True))
    return shares if found["rest"] == 0 else {**shares, REST: found["rest"]}


def _print(text: str, rows: dict[float, dict[str, Any]]) -> None:
    from rich.text import Text

    from hornbook.commands._show_terminal import bar, console, short
    from hornbook.pictures.distributions import percent

    out = console()
    columns = list(rows.values())
    width = max(4, (out.width - LABEL - 2) // len(columns) - NUMBER - 3)
    out.print(f"after {text!r}\n", soft_wrap=True)
    head = "".join(f"  {f'temperature {value:g}':<{NUMBER + 1 + width}}" for value in rows)
    out.print(Text(" " * LABEL + head, "bold"), no_wrap=True, overflow="crop")
    names = [short(token["text"], LABEL) for token in columns[0]["tokens"]]
    rest = [REST] if any(column["rest"] for column in columns) else []
    for place, name in enumerate(names + rest):
        line = Text(name.ljust(LABEL))
        for column in columns:
            share = column["tokens"][place]["probability"] if place < len(names) else column["rest"]
            line.append(f"  {percent(share):>{NUMBER - 2}} % ")
            line.append(bar(share, width).ljust(width), "blue")
        line.rstrip()
        out.print(line, no_wrap=True, overflow="crop")
