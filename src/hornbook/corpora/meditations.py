"""A book of one voice: short thoughts in long sentences, with an introduction and a glossary around them."""

from hornbook.corpora.base import DownloadedCorpus


class Meditations(DownloadedCorpus):
    """Marcus Aurelius, Meditations, in Casaubon's translation; the file starts with a byte-order mark."""

    name = "meditations"
    description = "Marcus Aurelius, Meditations (Casaubon's translation), with introduction and glossary"
    licence = "public domain"
    file_name = "meditations.txt"
    address = (
        "https://raw.githubusercontent.com/Mixa26/LLM-from-scratch/"
        "c78f2c570e7b8ece5f8f4cccdfd7f4d713204724/meditations.txt"
    )
    mirrors = (
        "https://cdn.jsdelivr.net/gh/Mixa26/LLM-from-scratch@c78f2c570e7b8ece5f8f4cccdfd7f4d713204724/meditations.txt",
    )
    sha256 = "871f75db41c884def6dbd4ffa7f137618c206371fdbb43142ef4ede884017b6a"
    size_bytes = 398_348
