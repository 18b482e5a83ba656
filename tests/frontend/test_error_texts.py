"""The pages have a sentence, in each language, for every error that somebody who is signed in can meet."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path("src/aquilon")
TEXTS = Path("frontend/src/api/texts/en.ts")
RAISES = {
    "ApiError",
    "Refusal",
    "forbidden",
    "invalid",
    "not_found",
    "overloaded",
    "refused",
    "server_error",
    "unauthenticated",
}

PROGRAMS_ALONE = {
    "address_not_allowed",
    "assistant_alias_not_found",
    "assistant_cites_documents",
    "assistant_version_not_found",
    "attribute_name_too_long",
    "attribute_too_long",
    "attribute_type",
    "audit_entry_not_found",
    "batch_not_found",
    "body_timeout",
    "call_not_found",
    "capability_impossible",
    "chat_completion_in_progress",
    "chunk_sizes_missing",
    "conversation_empty",
    "embedding_failed",
    "entry_ids_or_first",
    "file_ids_or_files",
    "files_unreadable",
    "filter_invalid",
    "filter_value_invalid",
    "head_timeout",
    "head_too_large",
    "idempotency_key_reused",
    "invalid_api_key",
    "invalid_authorization",
    "invalid_call",
    "invalid_http",
    "invalid_idempotency_key",
    "invalid_json",
    "invalid_multipart",
    "invalid_range",
    "invalid_return_path",
    "invalid_time",
    "invalid_token_id",
    "invalid_utf8",
    "item_elsewhere",
    "item_not_found",
    "item_too_large",
    "leaf_or_through",
    "library_elsewhere",
    "loop_detected",
    "memory_key_not_allowed",
    "messages_in_settings",
    "min_tokens_too_high",
    "missing_api_key",
    "model_not_open",
    "moderation_not_configured",
    "no_summary",
    "no_tokenizer",
    "not_a_completion_model",
    "not_a_fim_model",
    "not_a_reranking_model",
    "not_an_embedding_model",
    "one_subject",
    "picture_not_found",
    "previous_response_not_found",
    "price_list_empty",
    "price_periods_gap",
    "price_periods_overlap",
    "prompt_not_found",
    "range_not_satisfiable",
    "time_range_empty",
    "time_range_too_long",
    "token_ids_unsupported",
    "token_or_password",
    "too_deep",
    "too_many_attributes",
    "too_many_idempotency_keys",
    "too_many_items",
    "too_many_tokens",
    "too_many_versions",
    "unknown_host",
    "unknown_path",
    "unsupported_content_encoding",
    "unsupported_media_type",
    "visibility_of_person",
    "websocket_connection_limit_reached",
}
"""Codes of routes, dialects and credentials that no page uses. A page shows the general sentence for them."""

OTHER_CLIENTS = (
    "api/errors.py",  # the general ones
    "api/generation",  # completions, embeddings and other routes that no page asks
    "api/jobs/mistral_batches.py",
    "api/jobs/mistral_fine_tuning.py",
    "api/jobs/openai_fine_tuning.py",
    "api/conversations/mistral.py",
    "api/ollama",
    "conversations/dialects",
    "conversations/runs.py",
    "embeddings",
    "upstreams/messages_requests.py",
    "upstreams/requests.py",
)
"""Where an error may be without a code."""


@cache
def calls() -> list[tuple[Path, ast.Call]]:
    """All calls in the source, each with its file."""
    return [
        (file, node)
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def raised() -> Iterator[tuple[Path, str, ast.Call]]:
    """The file and the name of each call that makes an error."""
    for file, call in calls():
        if isinstance(call.func, ast.Name) and call.func.id in RAISES:
            yield file, call.func.id, call


def errors() -> Iterator[tuple[str, int, ast.expr | None]]:
    """The file and line of each error in the source, and its code."""
    for file, name, call in raised():
        code = next((keyword.value for keyword in call.keywords if keyword.arg == "code"), None)
        if code is not None or name not in ("overloaded", "refused"):
            yield str(file.relative_to(SOURCE)), call.lineno, code


def sentences() -> dict[str, str]:
    text = TEXTS.read_text(encoding="utf-8")
    return dict(re.findall(r'"error\.(\w+)":\s*"((?:[^"\\]|\\.)*)"', text))


def test_every_code_that_a_page_can_meet_has_a_sentence() -> None:
    codes = {code.value for _, _, code in errors() if isinstance(code, ast.Constant)}
    known = sentences()
    assert codes - known.keys() - PROGRAMS_ALONE == set()
    assert {code for code in PROGRAMS_ALONE if code in known or code not in codes} == set(), "left on the list"


def test_every_missing_object_that_a_page_can_name_has_a_sentence() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py"))
    kinds = set(re.findall(r'no_such\("([a-z ]+)"', source))
    assert "workspace" in kinds
    assert {f"{kind.replace(' ', '_')}_not_found" for kind in kinds} - sentences().keys() == set()


def test_every_error_that_a_page_can_meet_has_a_code() -> None:
    without = [f"{file}:{line}" for file, line, code in errors() if code is None and not file.startswith(OTHER_CLIENTS)]
    assert without == []


def test_every_number_in_a_sentence_is_sent_by_every_error_that_has_its_code() -> None:
    needed = {code: set(re.findall(r"\{(\w+)[},]", text)) - {"field"} for code, text in sentences().items()}
    for file, _, call in raised():
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        code, values = keywords.get("code"), keywords.get("values")
        if not isinstance(code, ast.Constant):
            continue
        sent = (
            {str(key.value) for key in values.keys if isinstance(key, ast.Constant)}
            if isinstance(values, ast.Dict)
            else set()
        )
        assert needed.get(str(code.value), set()) <= sent, f"{file}:{call.lineno}: {code.value}"


def test_every_change_in_the_audit_log_has_words() -> None:
    texts = Path("frontend/src/console/audit/texts/en.ts").read_text(encoding="utf-8")
    known = set(re.findall(r'"did\.(?!kind\.)([\w.]+)"', texts))
    kinds = set(re.findall(r'"did\.kind\.(\w+)"', texts))
    recorded = {
        value.value
        for _, call in calls()
        if isinstance(call.func, ast.Attribute | ast.Name)
        and (call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id).endswith("record")
        for argument in call.args
        for value in ast.walk(argument)
        if isinstance(value, ast.Constant) and re.fullmatch(r"[a-z_]+\.[a-z_]+", str(value.value))
    }
    assert recorded - known == set()
    assert {change.split(".")[0] for change in known} == kinds
    assert "user.role_set" in recorded


def test_what_the_audit_log_records_besides_has_labels() -> None:
    texts = Path("frontend/src/console/audit/texts/en.ts").read_text(encoding="utf-8")
    labels = Path("frontend/src/console/field-labels.ts").read_text(encoding="utf-8")
    known = set(re.findall(r'"detail\.(\w+)"', texts)) | set(re.findall(r"^  (\w+): \"", labels, re.MULTILINE))
    recorded = {
        keyword.arg
        for _, call in calls()
        if ast.unparse(call.func) in ("record", "audit.record")
        for keyword in call.keywords
        if keyword.arg not in (None, "object_id", "object_name")
    }
    assert recorded - known == set()
    assert "period" in recorded


def test_every_reason_why_a_fine_tuning_job_fails_has_a_sentence() -> None:
    texts = Path("frontend/src/console/fine-tuning/texts/en.ts").read_text(encoding="utf-8")
    files = [*(SOURCE / "jobs" / "fine_tuning").glob("*.py"), SOURCE / "training" / "job.py"]
    codes = {
        keyword.value.value
        for file in files
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("JobFailed", "Unusable", "Failed")
        for keyword in call.keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }
    internal = {"internal_error"}  # such a process is started again
    assert codes - internal - set(re.findall(r'"tuning\.problem\.(\w+)"', texts)) == set()
