"""Aquilon as a gateway beside LiteLLM's proxy: added time to first token, answers a second, memory.

Both forward to the same paced stand-in, each in one process, and are measured in turns
in one run. Aquilon records every answer in its SQLite database and charges a budget; LiteLLM
has no database here, which is its fastest way to run. It is installed from PyPI into a
separate environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.llama_cpp import CACHE
from bench.processes import free_port, processor_seconds, pss_mb, running
from bench.report import keep, table

LITELLM = "litellm[proxy]==1.106.2"
MODEL = "stand-in"
FIRST_MS, BETWEEN_MS = 20, 10
WORDS = (2, 16)
"""Of an answer: two, where nearly all is the way to the first word and the end, and sixteen, as a chat has them."""
RATE = 200
CLIENTS = 128
_MASTER_KEY = "sk-bench-0123456789"


def main(*, quick: bool = False) -> None:
    rounds, seconds = (1, 3) if quick else (4, 8)
    figures = {}
    for words in WORDS:
        with (
            tempfile.TemporaryDirectory(prefix="aquilon-bench-") as folder,
            _stand_in(words) as upstream,
            _aquilon(Path(folder), upstream) as ours,
            _litellm(Path(folder), upstream) as theirs,
        ):
            measured = _measure(words, upstream=upstream, ours=ours, theirs=theirs, rounds=rounds, seconds=seconds)
            measured["memory_mb"] = {"aquilon": pss_mb(ours[2]), "litellm": pss_mb(theirs[2])}
        _show(words, measured)
        figures[str(words)] = measured
    print(f"\nkept in {keep('gateway', figures)}")


def _measure(words: int, *, upstream: int, ours: Any, theirs: Any, rounds: int, seconds: float) -> dict[str, Any]:
    at: dict[str, tuple[int, str, int]] = {
        "direct": (upstream, "none", words),
        "aquilon": (ours[0], ours[1], words),
        "litellm": (theirs[0], theirs[1], words),
    }
    names = ("direct", "aquilon", "alone direct", "alone aquilon", "alone litellm")
    firsts: dict[str, list[float]] = {name: [] for name in names}
    throughput: dict[str, list[float]] = {"aquilon": [], "litellm": []}
    busy = 0.0
    for name in at:
        _load(*at[name], how="clients", many=8, seconds=2)  # fills imports and caches
    for _ in range(rounds):
        for name in ("direct", "aquilon"):
            before = processor_seconds(ours[2])
            firsts[name] += _load(*at[name], how="rate", many=RATE, seconds=seconds)["first_ms"]
            if name == "aquilon":
                busy = (processor_seconds(ours[2]) - before) * 1000 / (RATE * (seconds + 1))
        for name in at:
            firsts[f"alone {name}"] += _load(*at[name], how="clients", many=1, seconds=seconds)["first_ms"]
        for name in throughput:
            throughput[name].append(_load(*at[name], how="clients", many=CLIENTS, seconds=seconds)["per_second"])
    return {
        "rate": RATE,
        "clients": CLIENTS,
        "first_ms": {name: _spread(values) for name, values in firsts.items()},
        "per_second": {name: round(median(values), 1) for name, values in throughput.items()},
        "processor_ms_a_request": round(busy, 2),
    }


def _spread(values: list[float]) -> dict[str, float]:
    cuts = quantiles(values, n=100)
    return {"p50": round(cuts[49], 2), "p90": round(cuts[89], 2), "p99": round(cuts[98], 2), "n": len(values)}


def _show(words: int, figures: dict[str, Any]) -> None:
    first, memory, speed = figures["first_ms"], figures["memory_mb"], figures["per_second"]
    rows = []
    for name, spread in first.items():
        base = first["alone direct" if name.startswith("alone") else "direct"]
        added = [f"{spread[cut] - base[cut]:+.2f}" for cut in ("p50", "p99")]
        rows.append([name, *(f"{spread[cut]:.2f}" for cut in ("p50", "p90", "p99")), *added])
    print(
        table(
            (
                f"to the first of {words} words, ms ({RATE}/s, or one alone)",
                "p50",
                "p90",
                "p99",
                "added p50",
                "added p99",
            ),
            rows,
        )
    )
    ratio = speed["aquilon"] / (speed["litellm"] or float("nan"))
    print()
    print(
        table(
            ("", "answers/s", "memory MB"),
            [[name, f"{speed[name]:.0f}", f"{memory[name]:.0f}"] for name in ("aquilon", "litellm")]
            + [["ratio", f"{ratio:.1f}", f"{memory['aquilon'] / memory['litellm']:.2f}"]],
        )
    )
    print(f"\nAquilon's processor time at {RATE}/s: {figures['processor_ms_a_request']} ms a request\n")


def _load(port: int, key: str, words: int, *, how: str, many: float, seconds: float) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "bench.gateway_load",
        str(port),
        MODEL,
        key,
        str(words),
        how,
        str(many),
        str(seconds),
    ]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if result["problems"]:
        raise RuntimeError(f"port {port}: {result['problems']}")
    return result


@contextlib.contextmanager
def _stand_in(words: int) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.gateway_standin", str(FIRST_MS), str(BETWEEN_MS), str(words)]
    with running(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


@contextlib.contextmanager
def _aquilon(folder: Path, upstream: int) -> Iterator[tuple[int, str, int]]:
    """Its port, a key and its process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUILON_")}
    environment |= {"AQUILON_HOME": str(folder / "home"), "AQUILON_PORT": "0", "AQUILON_MODELS": "none"}
    log = (folder / "aquilon.log").open("w")
    command = [sys.executable, "-m", "tests.support.serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    with running(server) as process:
        assert process.stdout is not None
        key = port = ""
        for line in process.stdout:
            report = json.loads(line)
            key = report.get("accounts", {}).get("api_key", key)
            if report["report"] == "Ready":
                port = report["url"].rpartition(":")[2]
                break
        if not port:
            raise RuntimeError((folder / "aquilon.log").read_text()[-2000:])

        def call(*arguments: str) -> None:
            subprocess.run([sys.executable, "-m", "aquilon.cli.main", *arguments], check=True, env=environment)

        call("upstreams", "add", "bench", f"http://127.0.0.1:{upstream}/v1", "--model", MODEL, "--context", "4096")
        call("prices", "set", MODEL, "--prompt", "0.10", "--completion", "0.30")
        call("budgets", "set", "10000")
        time.sleep(2)  # a running server follows within a second
        yield int(port), key, process.pid


@contextlib.contextmanager
def _litellm(folder: Path, upstream: int) -> Iterator[tuple[int, str, int]]:
    config = folder / "litellm.yaml"
    config.write_text(
        f"""
model_list:
  - model_name: {MODEL}
    litellm_params:
      model: openai/stand-in
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: none
general_settings:
  master_key: {_MASTER_KEY}
litellm_settings:
  telemetry: false
"""
    )
    port = free_port()
    log = (folder / "litellm.log").open("w")
    command = [str(_litellm_program()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "HOME": str(folder)}
    server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    with running(server) as process:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5).close()
                break
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.1)
        else:
            raise RuntimeError("LiteLLM did not start within two minutes")
        if process.poll() is not None:
            raise RuntimeError((folder / "litellm.log").read_text()[-2000:])
        yield port, _MASTER_KEY, process.pid


def _litellm_program() -> Path:
    environment = CACHE / "litellm"
    program = environment / "bin" / "litellm"
    if not program.exists():
        print("installing LiteLLM in an environment of its own", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(environment / "bin" / "pip"), "install", "--quiet", LITELLM], check=True)
    return program
