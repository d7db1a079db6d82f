"""What a build costs beside the build before, in one table, the two in turns.

::

    git worktree add target/before COMMIT
    (cd target/before && BENCH_BUILD=1 BENCH_ONLY="rust python node go dotnet" bench/run.sh)
    BENCH_BUILD=1 BENCH_ONLY="rust python node go dotnet" bench/run.sh
    python3 bench/before.py target/before . --rounds 5

Each checkout runs its own programs, each run in a fresh process, and each round begins with the other one. The receiver is
the second checkout's for both. A ratio is of the medians, after by before: below 1 is less.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

Command = tuple[list[str], dict[str, str]]
Question = tuple[str, str, list[str]]

HOT = ["p50_ns", "alloc_bytes", "growth_kb"]
PACED = ["p50_ns", "alloc_bytes"]

# What each language is asked: candidate, load, figures. Which a program does not answer is left out.
QUESTIONS: dict[str, list[Question]] = {
    "rust": [
        ("three", "hot:100000", ["p50_ns", "caller_cpu_ns"]),
        ("three-ready", "hot:100000", ["p50_ns", "caller_cpu_ns"]),
        ("three-ready", "paced:5000:10000", ["p50_ns"]),
        ("three-ready-rested", "rested:150", ["p50_ns"]),
        ("otlp", "bursts:20000:40000:10", ["cpu_us"]),
        ("three-block", "hot:200000", ["cpu_us", "delivered_per_s"]),
    ],
    "python": [
        ("three", "hot:30000", HOT),
        ("three", "paced:5000:10000", PACED),
        ("otlp", "bursts:2000:10000:20", ["cpu_us"]),
    ],
    "node": [
        ("three", "hot:30000", HOT),
        ("three", "paced:5000:10000", PACED),
        ("otlp", "bursts:10000:20000:20", ["cpu_us"]),
    ],
    "go": [
        ("three", "hot:30000", HOT),
        ("three-attrs", "hot:30000", HOT),
        ("three", "paced:5000:10000", PACED),
        ("otlp", "bursts:20000:40000:20", ["cpu_us"]),
    ],
    "dotnet": [
        ("three", "hot:30000", HOT),
        ("three-attrs", "hot:30000", HOT),
        ("three", "paced:5000:10000", PACED),
        ("otlp", "bursts:20000:40000:20", ["cpu_us"]),
    ],
}


def command(root: pathlib.Path, language: str) -> Command:
    """The program of a language in a checkout, and what its environment must say."""
    built, out = root / "target/release", root / "target/bench"
    match language:
        case "rust":
            return [f"{built}/sinkwell-bench"], {}
        case "python":
            return [f"{root}/target/bench-venv/bin/python", f"{root}/bench/python/bench.py"], {}
        case "node":
            library = {"NAPI_RS_NATIVE_LIBRARY_PATH": f"{out}/sinkwell.node"}
            return ["node", "--expose-gc", f"{root}/bench/node/bench.js"], library
        case "go":
            return [f"{out}/go-bench"], {"LD_LIBRARY_PATH": str(built)}
        case _:
            return ["dotnet", f"{root}/target/dotnet/bin/Bench/release/Bench.dll"], {
                "LD_LIBRARY_PATH": str(built)
            }


def once(root: pathlib.Path, receiver: str, language: str, who: str, load: str) -> dict[str, float]:
    """One run of one candidate, in a process of its own."""
    words, environment = command(root, language)
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [receiver, "receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as peer,
    ):
        assert peer.stdout is not None and peer.stdin is not None
        port = peer.stdout.readline().strip()
        told = subprocess.run(
            [*words, "run", who, load, port, folder],
            cwd=root,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
        peer.stdin.close()
    if told.returncode != 0:
        sys.exit(f"{language} {who} {load} in {root} failed:\n{told.stderr}")
    figures = {
        name: float(value)
        for name, value in (pair.split("=") for pair in told.stdout.splitlines()[-1].split())
    }
    events = figures["offered"]
    figures["cpu_us"] = figures["cpu_s"] * 1e6 / events
    figures["delivered_per_s"] = events / figures["wall_s"]
    return figures


def said(values: list[float]) -> str:
    """Median, lowest and highest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    digits = 0 if middle >= 100 else 2
    return f"{middle:.{digits}f} ({low:.{digits}f} … {high:.{digits}f})"


def main() -> None:
    """Asks each question of both, and prints its lines."""
    reads = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reads.add_argument("before", type=pathlib.Path)
    reads.add_argument("after", type=pathlib.Path)
    reads.add_argument("--rounds", type=int, default=5)
    reads.add_argument("--only", default=" ".join(QUESTIONS), help="languages")
    asked = reads.parse_args()
    both = [asked.before.resolve(), asked.after.resolve()]
    receiver = f"{both[1]}/target/release/sinkwell-bench"
    print("| language | who | load | figure | before | after | ratio |")
    print("| --- | --- | --- | --- | ---: | ---: | ---: |")
    for language in asked.only.split():
        for who, load, names in QUESTIONS[language]:
            runs: list[list[dict[str, float]]] = [[], []]
            for round_ in range(asked.rounds):
                for turn in range(2):
                    at = (turn + round_) % 2
                    runs[at].append(once(both[at], receiver, language, who, load))
            for name in names:
                before, after = ([run[name] for run in kind if name in run] for kind in runs)
                if before and after:
                    ratio = statistics.median(after) / max(statistics.median(before), 1e-9)
                    print(
                        f"| {language} | {who} | {load} | {name} | {said(before)} | {said(after)} | {ratio:.2f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
