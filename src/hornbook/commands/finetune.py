"""`hornbook finetune ...`: a model that was trained already learns a task. Each kind is a part beside this file."""

from cyclopts import App

from hornbook.commands._finetune_chat import chat
from hornbook.commands._finetune_classifier import classifier
from hornbook.commands._finetune_preference import preference

finetune = App(
    name="finetune",
    help="Go on from a finished model: make a classifier of it, teach it to answer, or show it which answers are better.",
)
finetune.command(classifier)
finetune.command(chat)
finetune.command(preference)
