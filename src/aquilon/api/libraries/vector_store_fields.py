"""The bodies that OpenAI's clients send to ``/v1/vector_stores``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from aquilon.conversations.dialects.chat_fields import Metadata
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.search_fields import SearchOptions
from aquilon.errors import invalid
from aquilon.libraries.chunking import Sizes
from aquilon.libraries.documents import MOST_AT_ONCE, NewDocument, checked_attributes, sizes_of_tokens
from aquilon.libraries.libraries import MOST_DAYS

MOST_NAME = 256
MOST_DESCRIPTION = 2000
Visibility = Literal["workspace", "user"]
FileId = Annotated[str, Field(max_length=256)]
Attributes = dict[str, Any]
_VISIBILITY = (
    "`workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which is how a person's "
    "library begins."
)


class StaticSizes(Fields):
    max_chunk_size_tokens: int = 800
    chunk_overlap_tokens: int = 400


class ChunkingStrategy(Fields):
    """`auto`: at headings, paragraphs and sentences, about 900 characters. `static`: tokens, taken for 4 characters."""

    type: Literal["auto", "static", "other"] = "auto"
    static: StaticSizes | None = None

    def sizes(self) -> Sizes | None:
        """Raises ApiError 400."""
        if self.type != "static":
            return None
        if self.static is None:
            raise invalid(
                "A chunking strategy 'static' needs 'static' with its sizes",
                param="chunking_strategy",
                code="chunk_sizes_missing",
            )
        return sizes_of_tokens(self.static.max_chunk_size_tokens, self.static.chunk_overlap_tokens)


class ExpiresAfter(Fields):
    anchor: Literal["last_active_at"] = "last_active_at"
    days: int = Field(ge=1, le=MOST_DAYS)


class CreateVectorStore(Fields):
    name: str | None = Field(None, max_length=MOST_NAME)
    description: str | None = Field(None, max_length=MOST_DESCRIPTION)
    file_ids: Annotated[list[FileId], Field(max_length=MOST_AT_ONCE)] | None = None
    chunking_strategy: ChunkingStrategy | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None
    visibility: Visibility | None = Field(None, description=_VISIBILITY)


class ChangeVectorStore(Fields):
    """A field that isn't sent leaves what is there."""

    name: str | None = Field(None, max_length=MOST_NAME)
    description: str | None = Field(None, max_length=MOST_DESCRIPTION)
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None
    visibility: Visibility | None = Field(None, description=_VISIBILITY)


class AddFile(Fields):
    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def document(self, param: str = "attributes") -> NewDocument:
        """Raises ApiError 400."""
        sizes = None if self.chunking_strategy is None else self.chunking_strategy.sizes()
        return NewDocument(file_id=self.file_id, attributes=checked_attributes(self.attributes, param), sizes=sizes)


class AddFiles(Fields):
    """Either `file_ids`, to which the other fields belong, or `files` with fields of their own."""

    file_ids: Annotated[list[FileId], Field(max_length=MOST_AT_ONCE)] | None = None
    files: Annotated[list[AddFile], Field(max_length=MOST_AT_ONCE)] | None = None
    attributes: Attributes | None = None
    chunking_strategy: ChunkingStrategy | None = None

    def documents(self) -> list[NewDocument]:
        """Raises ApiError 400."""
        if (self.file_ids is None) == (self.files is None):
            raise invalid("Send either 'file_ids' or 'files'", param="file_ids", code="file_ids_or_files")
        if self.files is not None:
            return [file.document(f"files.{at}.attributes") for at, file in enumerate(self.files)]
        one = AddFile(file_id="", attributes=self.attributes, chunking_strategy=self.chunking_strategy).document()
        return [
            NewDocument(file_id=file_id, attributes=one.attributes, sizes=one.sizes) for file_id in self.file_ids or ()
        ]


class ChangeFile(Fields):
    attributes: Attributes | None = Field(description="In place of all attributes that are there.")


class SearchVectorStore(SearchOptions):
    query: str | Annotated[list[str], Field(min_length=1, max_length=16)]
    rewrite_query: bool | None = Field(None, description="Without effect: the query is searched for as it is.")

    @property
    def text(self) -> str:
        return self.query if isinstance(self.query, str) else "\n".join(self.query)
