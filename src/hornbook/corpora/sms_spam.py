"""Text messages with a label: what a classifier is fine-tuned on, and short documents for a model of chat."""

from collections.abc import Iterator

from hornbook.corpora.base import DownloadedCorpus
from hornbook.text.reading import Document


class SmsSpam(DownloadedCorpus):
    """The SMS Spam Collection (UCI 228): 5,574 lines `label TAB text`, 4,827 ham and 747 spam."""

    name = "sms-spam"
    description = "SMS Spam Collection: 5,574 text messages, each ham or spam"
    licence = "CC BY 4.0"
    file_name = "sms-spam.tsv"
    address = "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip"
    mirrors = ("https://f001.backblazeb2.com/file/LLMs-from-scratch/sms%2Bspam%2Bcollection.zip",)
    member = "SMSSpamCollection"
    sha256 = "55341228082b25b832a5868a5ab4b038142a57f70c676c123280af6ff457fe46"
    size_bytes = 483_481

    def documents(self) -> Iterator[Document]:
        """One document a message, without its label."""
        for _, document in self.labelled():
            yield document

    def labelled(self) -> Iterator[tuple[str, Document]]:
        """(label, message) of every line, the byte range being the message's own: ('ham', Document('Ok lar...'))."""
        place = 0
        for line in self.fetched_path().read_bytes().split(b"\n"):
            label, tab, message = line.partition(b"\t")
            text = message.rstrip(b"\r").decode("utf-8")
            start = place + len(label) + len(tab)
            if text:
                yield label.decode("utf-8"), Document(text, str(self.path), start, start + len(text.encode()))
            place += len(line) + 1
