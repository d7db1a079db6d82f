"""What sinkwell costs a Python program beside the OpenTelemetry SDK, loggers to a file, and signing by hand.

One run of one candidate, in a process of its own; ``bench/rust`` asks, counts what arrives, and makes the table::

    python bench.py run CANDIDATE LOAD PORT DIR
    python bench.py facts
"""

from __future__ import annotations

import gc
import importlib.metadata
import platform
import resource
import statistics
import sys
import time

from candidates import CANDIDATES, Candidate

WARM_UP = 2_000


class Load:
    """How events come: ``burst`` at a time, every so many ns; without a pace as fast as one thread can."""

    def __init__(self, events: int, burst: int = 0, every: int = 0) -> None:
        self.events, self.burst, self.every = events, burst, every

    @classmethod
    def read(cls, text: str) -> Load:
        """``hot:N``, ``paced:RATE:N`` or ``bursts:RATE:N:EVERY_MS``."""
        kind, *rest = text.split(":")
        match kind, [int(part) for part in rest]:
            case "hot", [events]:
                return cls(events)
            case "paced", [rate, events]:
                return cls(events, 1, 1_000_000_000 // rate)
            case "bursts", [rate, events, every]:
                return cls(events, max(rate * every // 1000, 1), every * 1_000_000)
        raise ValueError(f"a load is hot:N, paced:RATE:N or bursts:RATE:N:EVERY_MS, not {text}")


def drive(load: Load, candidate: Candidate, nanos: list[int]) -> int:
    """Emits under the load; how long each took goes into ``nanos``, how many were refused is returned."""
    clock, emit, burst, every = time.perf_counter_ns, candidate.emit, load.burst, load.every
    refused = 0
    start = clock()
    for n in range(load.events):
        if burst and n % burst == 0:
            wait = start + n // burst * every - clock()
            if wait > 0:
                time.sleep(wait / 1e9)
        begin = clock()
        try:
            emit(n)
        except Exception as error:
            if not refused:
                print(error, file=sys.stderr)
            refused += 1
        nanos[n] = clock() - begin
    return refused


def resident(name: str) -> float:
    """A figure of ``/proc/self/status`` in kB."""
    with open("/proc/self/status") as status:
        return next(float(line.split()[1]) for line in status if line.startswith(name))


def processor() -> float:
    """The seconds that all threads of this process have used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(who: str, load: Load, port: int, folder: str) -> dict[str, float]:
    """One run."""
    candidate = CANDIDATES[who](port, folder)
    # In parts, so that nobody loses any of it: an exporter's first call takes long.
    part = Load(WARM_UP // 4, 20, 5_000_000)
    for _ in range(4):
        if refused := drive(part, candidate, [0] * part.events):
            raise RuntimeError(f"{refused} refused while warming up")
        candidate.flush()
    # Not the candidate's memory, and there before it is counted: numbers of their own, each as large as a time.
    nanos = [10**9 + n for n in range(load.events)]
    gc.collect()
    time.sleep(0.2)
    try:
        # The peak is of what follows.
        with open("/proc/self/clear_refs", "w") as peak:
            peak.write("5")
    except OSError:
        pass  # Then it is since the process began.
    idle = resident("VmRSS:")
    cpu, start = processor(), time.perf_counter()
    refused = drive(load, candidate, nanos)
    extra = candidate.settle()
    wall, cpu = time.perf_counter() - start, processor() - cpu
    growth = resident("VmHWM:") - idle
    nanos.sort()
    last = load.events - 1
    return {
        "warm_up": WARM_UP,
        "offered": load.events,
        "refused": refused,
        "mean_ns": statistics.fmean(nanos),
        "p50_ns": nanos[last // 2],
        "p99_ns": nanos[last * 99 // 100],
        "p999_ns": nanos[last * 999 // 1000],
        "cpu_s": cpu,
        "wall_s": wall,
        "idle_kb": idle,
        "growth_kb": growth,
        **extra,
    }


def facts() -> str:
    """The versions that were measured."""
    peers = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "structlog", "orjson")
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{p} {importlib.metadata.version(p)}" for p in peers)]
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["facts"]:
            print(facts())
        case ["run", who, load, port, folder] if who in CANDIDATES:
            figures = run(who, Load.read(load), int(port), folder)
            print(" ".join(f"{name}={value}" for name, value in figures.items()))
        case _:
            sys.exit(f"usage: bench.py run {'|'.join(CANDIDATES)} LOAD PORT DIR | bench.py facts")
