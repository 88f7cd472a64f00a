"""`hornbook chat`: a conversation with a model in the terminal."""

from typing import Annotated

from cyclopts import Parameter

from hornbook.device import WeightPrecision


def chat(
    model: str,
    /,
    *,
    message: str | None = None,
    system: str = "",
    template: str | None = None,
    max_new_tokens: int = 512,
    temperature: float = 0.8,
    top_k: int | None = 50,
    top_p: float | None = None,
    min_p: float | None = None,
    repetition_penalty: float = 1.0,
    seed: int = 0,
    stop: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    precision: WeightPrecision = "fp32",
    device: str = "auto",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Talk with a model that was trained to answer: hornbook chat runs/helper. Ctrl-C stops an answer, Ctrl-D ends.

    A line that begins with / is a command: /help names them. A line that ends in a backslash goes on in the next one;
    three quotation marks begin and end a message of several lines. When the model's context is full, the oldest turns
    are left out, which is said, and the system's text stays. Without a terminal, messages are read line by line from
    stdin, and stdout has the answers.

    Parameters
    ----------
    model
        A model folder, a run folder with a finished model, or a name on Hugging Face's hub.
    message
        Answer this one message and end.
    system
        What the model is told before the conversation begins.
    template
        How a conversation is written, where the model's folder doesn't say, or otherwise than it says: chatml, alpaca, plain,
        phi3, or a file with a Jinja template.
    max_new_tokens
        How many tokens an answer may have at most.
    temperature
        0 always takes the likeliest token, 1 draws as the model was trained, more is wilder.
    top_k
        Draw from the k likeliest tokens only; none keeps all.
    top_p
        Draw from the likeliest tokens that together reach this probability only.
    min_p
        Draw from tokens only that are at least this share as likely as the likeliest; 0.05 is usual.
    repetition_penalty
        Makes what the conversation so far holds less likely: 1 changes nothing, 1.2 is usual.
    seed
        The number that decides every draw.
    stop
        A string to stop an answer before; may be given several times.
    precision
        fp32 computes exactly what was trained; with bf16, int8 or int4 weights it writes faster, and a little otherwise.
    device
        auto, cpu, cuda or mps.
    json
        Print one JSON object with the conversation, when it has ended.
    """
    import sys

    from hornbook.commands._conversation import Conversation, open_model
    from hornbook.commands._conversation_input import from_lines, from_terminal
    from hornbook.commands._conversation_loop import answer, converse
    from hornbook.commands.base import print_json, talk
    from hornbook.generation.sampling import Sampling

    sampling = Sampling(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty
    )
    opened = open_model(model, template, device, precision)
    conversation = Conversation(opened, model, sampling, max_new_tokens, seed, stop)
    conversation.tell(system)
    if message is not None:
        answer(conversation, message, shown=not json)
    elif sys.stdin.isatty():
        talk(f"'{model}' answers; /help says what else there is, Ctrl-D ends")
        converse(conversation, from_terminal(), shown=not json, patient=True)
    else:
        converse(conversation, from_lines(sys.stdin), shown=not json, patient=False)
    if json:
        print_json(conversation.as_json())
