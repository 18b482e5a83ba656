"""How a search in libraries is asked for: alone, or as a tool of ``POST /v1/responses``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import invalid
from aquilon.libraries.filters import filter_of
from aquilon.libraries.retrieval import DEFAULT_RESULTS, MOST_RESULTS, Question

VectorStoreId = Annotated[str, Field(max_length=256)]


class HybridWeights(Fields):
    embedding_weight: float = Field(1.0, ge=0, le=1000)
    text_weight: float = Field(1.0, ge=0, le=1000)


class RankingOptions(Fields):
    ranker: str | None = Field(
        None, max_length=100, description="Without effect: words and meaning are ranked apart, and both ranks fused."
    )
    score_threshold: float | None = Field(None, ge=0, le=1, description="Leave out passages with a lower score.")
    hybrid_search: HybridWeights | None = Field(None, description="How much the ranks by meaning and by words count.")


class SearchOptions(Fields):
    filters: dict[str, Any] | None = Field(
        None,
        description="Only documents whose attributes match: `{type, key, value}` with eq, ne, gt, gte, lt, lte, in or "
        "nin, or `{type, filters}` with and or or.",
    )
    max_num_results: int | None = Field(None, ge=1, le=MOST_RESULTS)
    ranking_options: RankingOptions | None = None

    def question(self, text: str, *, param: str = "filters") -> Question:
        """Raises ApiError 400."""
        ranking = self.ranking_options
        weights = None if ranking is None else ranking.hybrid_search
        words, meaning = (1.0, 1.0) if weights is None else (weights.text_weight, weights.embedding_weight)
        if words == meaning == 0:
            raise invalid("One of the weights must be above 0", param="ranking_options.hybrid_search")
        return Question(
            text=text,
            most_results=self.max_num_results or DEFAULT_RESULTS,
            filter=None if self.filters is None else filter_of(self.filters, param),
            least_score=0.0 if ranking is None else ranking.score_threshold or 0.0,
            words_weight=words,
            meaning_weight=meaning,
        )
