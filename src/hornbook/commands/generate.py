"""`hornbook generate`: let a model write on."""

from typing import Annotated

from cyclopts import Parameter

from hornbook.device import WeightPrecision


def generate(
    model: str,
    prompt: str = "",
    /,
    *,
    max_new_tokens: int = 100,
    temperature: float = 0.8,
    top_k: int | None = 50,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    seed: int = 0,
    stop: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    lookup: Annotated[bool, Parameter(negative="")] = False,
    precision: WeightPrecision = "fp32",
    device: str = "auto",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write the text that follows PROMPT: hornbook generate runs/tales "Once". The same seed gives the same text.

    It ends at max-new-tokens, at the model's <|endoftext|>, or before a stop string. When the model's context is
    full, the last half of it is kept and read again, and what came earlier is forgotten.

    Parameters
    ----------
    model
        A model folder, or a run folder with a finished model.
    prompt
        The beginning; without one the model begins a document.
    max_new_tokens
        How many tokens to write at most.
    temperature
        0 always takes the likeliest token, 1 draws as the model was trained, more is wilder.
    top_k
        Draw from the k likeliest tokens only; none keeps all.
    top_p
        Draw from the likeliest tokens that together reach this probability only.
    min_p
        Draw from tokens only that are at least this share as likely as the likeliest; 0.05 is usual.
    repetition_penalty
        Makes what the prompt and the text so far hold less likely: 1 changes nothing, 1.2 is usual.
    seed
        The number that decides every draw.
    stop
        A string to stop before; may be given several times.
    lookup
        Draft from the text itself what may come next: the same text, faster where it repeats what the prompt holds.
    precision
        fp32 computes exactly what was trained; with bf16, int8 or int4 weights it writes faster, and a little otherwise.
    device
        auto, cpu, cuda or mps.
    json
        Print one JSON object with text, tokens, settings and times.
    """
    from time import perf_counter

    import hornbook
    from hornbook.commands.base import print_json, talk
    from hornbook.generation.sampling import Sampling

    sampling = Sampling(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty
    )
    settings = {"max_new_tokens": max_new_tokens, **sampling.model_dump(), "stop": list(stop)}
    language_model = hornbook.load(model, device, precision)
    context_length = language_model.config.context_length
    start = perf_counter()
    writing = language_model.stream(prompt, seed=seed, lookup=lookup, **settings)
    if (num_tokens := len(writing.prompt_ids)) > context_length:
        talk(f"only the last {context_length} of the prompt's {num_tokens} tokens are read: that is the whole context")
    if not json:
        print(prompt, end="", flush=True)
    for piece in writing:
        if not json:
            print(piece, end="", flush=True)
    seconds = perf_counter() - start
    speed = len(writing.tokens) / seconds
    if not json:
        print()
        talk(f"{len(writing.tokens)} tokens in {seconds:.2f} s ({speed:,.0f} tokens/s), ended by {writing.stopped_by}")
        return
    print_json({
        "prompt": prompt, "text": writing.text, "tokens": writing.tokens, "prompt_tokens": num_tokens,
        "stopped_by": writing.stopped_by, "seed": seed, "precision": precision, "lookup": lookup, "settings": settings,
        "seconds": round(seconds, 4), "tokens_per_second": round(speed, 1),
    })  # fmt: skip
