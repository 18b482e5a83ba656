"""``python -m bench [--list] [--quick] [NAME]...``: run the benchmarks named, or all.

Their figures are also written, as JSON, to ``bench/results``. Other work on the machine
shifts every figure: trust the ratios, whose sides are measured in turns.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_PARTS = frozenset(
    {
        "__main__",
        "conversations_load",
        "gateway_load",
        "gateway_standin",
        "llama_cpp",
        "nano_peer",
        "nanochat",
        "processes",
        "report",
        "retrieval_corpus",
    }
)


def benchmarks() -> dict[str, str]:
    """Each benchmark's name and the first line of what it says about itself."""
    names = sorted(module.name for module in pkgutil.iter_modules([str(_HERE)]) if module.name not in _PARTS)
    return {name: (importlib.import_module(f"bench.{name}").__doc__ or "").splitlines()[0] for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="say what there is and stop")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: minutes become seconds, figures noisier")
    arguments = parser.parse_args()
    known = benchmarks()
    unknown = set(arguments.names) - known.keys()
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in arguments.names or known:
        print(f"{name}: {known[name]}", flush=True)
        if not arguments.list:
            importlib.import_module(f"bench.{name}").main(quick=arguments.quick)
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
