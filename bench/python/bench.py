"""What sinkwell costs a Python program beside the OpenTelemetry SDK, and structlog with orjson to a file.

    python bench.py RECEIVER [--rounds 5] [--quick] [--json FILE]

``RECEIVER`` is the program that ``bench/rust`` builds: its ``receiver`` counts what arrives. Candidates take
turns within each round, each in a fresh process; the table holds medians with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from typing import Any

TYPE = "com.example.tool.called"
TEXTS = {
    "agent.version": "2026.11.3",
    "decision": "allowed",
    "gen_ai.request.model": "example-model-large-2026-10-01",
    "policy": "urn:example:policy/tools/read-only",
    "resource": "https://tickets.example.com/api/v2/tickets/483920/comments",
    "session.id": "0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91",
    "summary": "Looked up the comments of a ticket to find out which release the customer runs; 14 found",
    "tool.name": "ticket_comments",
}
WARM_UP = 1_000


def attributes(n: int) -> dict[str, Any]:
    """The attributes of the ``n``-th event: about 500 bytes as JSON."""
    return {
        **TEXTS,
        "usage.call": n,
        "usage.duration_ms": 18.25,
        "usage.input_tokens": 1843,
        "user.confirmed": True,
    }


Candidate = tuple[Callable[[int], object], Callable[[], dict[str, float]]]


def sinkwell_lanes(port: int, folder: str, three: bool) -> Candidate:
    """Three lanes as the bars ask for, or the one over OTLP; sealed with HMAC."""
    import sinkwell

    linger = {"batch": {"linger": "200ms"}}
    endpoint = {
        "endpoint": f"http://127.0.0.1:{port}",
        "protocol": "http/protobuf",
        "compression": "none",
    }
    lanes: list[dict[str, Any]] = [{"id": "otlp", "sink": {"otlp": endpoint}, **linger}]
    if three:
        lanes.append({"id": "memory", "sink": "memory", **linger})
        lanes.append({"id": "file", "sink": {"file": {"path": f"{folder}/events.ndjson"}}, **linger})
    key = {"id": "k1", "hmac_sha256": {"base64": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}
    emitter = sinkwell.Emitter.open({"agent": {"id": "urn:example:agent"}, "key": key, "lanes": lanes})

    def settle() -> dict[str, float]:
        emitter.shutdown(60)
        counters = emitter.counters()["otlp"]
        return {"own": counters["own"], "dropped": counters["dropped"]}

    return lambda n: emitter.emit(TYPE, attributes(n)), settle


def opentelemetry(port: int, folder: str) -> Candidate:
    """The SDK's batch processor and OTLP exporter."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider()
    exporter = OTLPLogExporter(endpoint=f"http://127.0.0.1:{port}/v1/logs")
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("bench")

    def emit(n: int) -> None:
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                severity_text="INFO",
                event_name=TYPE,
                attributes=attributes(n),
            )
        )

    def settle() -> dict[str, float]:
        provider.shutdown()
        return {}

    return emit, settle


def structlog_file(port: int, folder: str) -> Candidate:
    """structlog, rendered by orjson, to a file."""
    import orjson
    import structlog

    file = open(f"{folder}/structlog.ndjson", "wb")  # noqa: SIM115
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(file=file),
        cache_logger_on_first_use=True,
    )
    log = structlog.get_logger()

    def settle() -> dict[str, float]:
        file.close()
        return {}

    return lambda n: log.info(TYPE, **attributes(n)), settle


CANDIDATES: dict[str, Callable[[int, str], Candidate]] = {
    "otel": opentelemetry,
    "three": lambda port, folder: sinkwell_lanes(port, folder, True),
    "otlp": lambda port, folder: sinkwell_lanes(port, folder, False),
    "structlog": structlog_file,
}


def resident(name: str) -> float:
    """A figure of ``/proc/self/status`` in kB."""
    with open("/proc/self/status") as status:
        return next(float(line.split()[1]) for line in status if line.startswith(name))


def run(candidate: str, rate: int, events: int, port: int, folder: str) -> dict[str, float]:
    """One run; ``rate`` 0 is a hot loop."""
    emit, settle = CANDIDATES[candidate](port, folder)
    for n in range(WARM_UP):
        emit(n)
        if n % 100 == 99:
            time.sleep(0.02)
    time.sleep(0.6)
    nanos = [10**9 + n for n in range(events)]
    idle = resident("VmRSS:")
    before = resource.getrusage(resource.RUSAGE_SELF)
    clock = time.perf_counter_ns
    start = clock()
    for n in range(events):
        if rate:
            wait = start + n * 1_000_000_000 // rate - clock()
            if wait > 0:
                time.sleep(wait / 1e9)
        begin = clock()
        emit(n)
        nanos[n] = clock() - begin
    extra = settle()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    nanos.sort()
    return {
        "mean_ns": statistics.fmean(nanos),
        "p50_ns": nanos[events // 2],
        "p99_ns": nanos[events * 99 // 100],
        "p999_ns": nanos[events * 999 // 1000],
        "growth_kb": resident("VmHWM:") - idle,
        "cpu_s": cpu,
        **extra,
    }


def once(receiver: str, candidate: str, rate: int, events: int) -> dict[str, float]:
    """One run in a process of its own, with a receiver of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([receiver, "receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        assert process.stdin
        assert process.stdout
        port = int(process.stdout.readline())
        args = [sys.executable, __file__, "run", candidate, str(rate), str(events), str(port), folder]
        figures: dict[str, float] = json.loads(
            subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/count") as answer:
            arrived = int(answer.read().split()[0]) - figures.get("own", 0) - WARM_UP
        process.stdin.close()
    if candidate != "structlog":
        figures["lost_share"] = (events - arrived) / events
        if arrived > 0:
            figures["cpu_s_per_million"] = figures["cpu_s"] * 1e6 / arrived
    return figures


def main() -> None:
    """Asks every question of every candidate, in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("receiver")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    part = 10 if options.quick else 1
    caller = ["mean_ns", "p50_ns", "p99_ns", "p999_ns", "growth_kb", "lost_share"]
    questions = [
        ("hot loop", 0, 50_000, ["otel", "three", "structlog"], caller),
        ("5 000/s", 5_000, 20_000, ["otel", "three", "structlog"], caller),
        ("2 000/s over OTLP", 2_000, 10_000, ["otel", "otlp"], ["cpu_s_per_million", "lost_share"]),
    ]
    rows = []
    for name, rate, events, who, figures in questions:
        answers: dict[str, list[dict[str, float]]] = {w: [] for w in who}
        for turn in range(options.rounds):
            for i in range(len(who)):
                candidate = who[(i + turn) % len(who)]
                answers[candidate].append(once(options.receiver, candidate, rate, events // part))
        for figure in figures:
            peer = None
            for candidate in who:
                values = sorted(a[figure] for a in answers[candidate] if figure in a)
                if not values:
                    continue
                median = values[len(values) // 2]
                peer = median if peer is None else peer
                ratio = median / peer if peer > 0 else None
                rows.append(
                    {"load": name, "who": candidate, "figure": figure, "median": median}
                    | {"low": values[0], "high": values[-1], "ratio": ratio}
                )
    print("| load | who | figure | median | lowest … highest | ÷ peer |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        spread = f"{row['low']:.4g} … {row['high']:.4g}"
        print(
            f"| {row['load']} | {row['who']} | {row['figure']} | {row['median']:.4g} | {spread} | {ratio} |"
        )
    if options.json:
        facts = {"python": sys.version, "load average": os.getloadavg()[0], "rows": rows}
        with open(options.json, "w") as file:
            json.dump(facts, file, indent=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        who, rate, events, port, folder = sys.argv[2:]
        print(json.dumps(run(who, int(rate), int(events), int(port), folder)))
    else:
        main()
