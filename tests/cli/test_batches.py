"""``aquilon batches`` and ``aquilon files`` beside a running server."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from tests.cli.conftest import Run
from tests.support.server import start_server


def test_batch_jobs_and_files_can_be_seen_and_managed(run: Run, home: Path, tmp_path: Path) -> None:
    server = start_server(home, environment={"AQUILON_MODELS": "none"})
    try:
        with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {server.api_key}"}) as client:
            line = json.dumps({"custom_id": "a", "body": {"model": "nobody", "messages": []}}).encode()
            file = client.post("/v1/files", files={"file": ("in.jsonl", line), "purpose": (None, "batch")}).json()
            request = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
            job = client.post("/v1/batches", json=request).json()
            while client.get(f"/v1/batches/{job['id']}").json()["status"] != "completed":
                pass
        [listed] = json.loads(run("batches", "list", "--json").out)
        assert (listed["id"], listed["status"]) == (job["id"], "completed")
        assert listed["request_counts"] == {"total": 1, "completed": 0, "failed": 1}
        assert "1: 0 done, 1 failed" in run("batches", "show", job["id"]).out
        assert "can't be cancelled any more" in run("batches", "cancel", job["id"]).err
        assert run("batches", "show", "unknown").code == 1
        results = json.loads(run("files", "list", "--purpose", "batch_output", "--json").out)
        assert [result["id"] for result in results] == [listed["error_file_id"]]
        target = tmp_path / "errors.jsonl"
        assert run("files", "download", listed["error_file_id"], "--to", str(target)).code == 0
        assert json.loads(target.read_text())["custom_id"] == "a"
        assert "there already" in run("files", "download", listed["error_file_id"], "--to", str(target)).err
        assert run("files", "delete", file["id"]).out == f"Deleted {file['id']}\n"
        assert file["id"] not in run("files", "list").out
    finally:
        server.stop()
