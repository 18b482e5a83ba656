"""From the bytes of a document to its text with places: formats, limits, OCR.

``extract`` reads a file in a process with limits, because its content comes from outside;
the libraries that read formats are imported only there. It knows no database and no HTTP.
"""

from aquilon.extraction.document import Block, Document, Note, Unreadable, UnreadableCode
from aquilon.extraction.extract import extract
from aquilon.extraction.limits import Limits

__all__ = ["Block", "Document", "Limits", "Note", "Unreadable", "UnreadableCode", "extract"]
