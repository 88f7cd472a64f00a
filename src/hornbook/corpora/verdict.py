"""A short story, small enough to train on while one watches."""

from hornbook.corpora.base import DownloadedCorpus


class Verdict(DownloadedCorpus):
    """Edith Wharton, The Verdict (1908): 20,479 characters, 5,145 GPT-2 tokens."""

    name = "verdict"
    description = "Edith Wharton, The Verdict (1908), a short story"
    licence = "public domain"
    file_name = "the-verdict.txt"
    address = "https://raw.githubusercontent.com/rasbt/LLMs-from-scratch/main/ch02/01_main-chapter-code/the-verdict.txt"
    mirrors = ("https://cdn.jsdelivr.net/gh/rasbt/LLMs-from-scratch@main/ch02/01_main-chapter-code/the-verdict.txt",)
    sha256 = "b41e41a68f0398a3154ae69e2e4c0e2694e17fe0d66730536837f1b01935b31f"
    size_bytes = 20_479
