"""`hornbook show ...`: look at what a run is made of. Each command is a part beside this file."""

from cyclopts import App

from hornbook.commands._show_attention import attention
from hornbook.commands._show_batch import batch
from hornbook.commands._show_embeddings import embeddings
from hornbook.commands._show_examples import examples
from hornbook.commands._show_gradients import gradients
from hornbook.commands._show_model import model
from hornbook.commands._show_next import next_token
from hornbook.commands._show_tokens import tokens
from hornbook.commands._show_vocabulary import vocabulary

show = App(
    name="show",
    help="Look inside: tokens, vocabularies, batches, examples, attention, predictions, embeddings, gradients, models.",
)
show.command(tokens)
show.command(vocabulary)
show.command(batch)
show.command(examples)
show.command(model)
show.command(embeddings)
show.command(attention)
show.command(next_token, name="next")
show.command(gradients)
