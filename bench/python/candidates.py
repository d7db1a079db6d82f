"""Who is measured."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

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
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def attributes(n: int) -> dict[str, Any]:
    """The attributes of the ``n``-th event: about 500 bytes as JSON."""
    return {
        **TEXTS,
        "usage.call": n,
        "usage.duration_ms": 18.25,
        "usage.input_tokens": 1843,
        "user.confirmed": True,
    }


class Candidate(NamedTuple):
    """Who emits, waits until everything so far is delivered, and ends and tells what it knows."""

    emit: Callable[[int], object]
    flush: Callable[[], object]
    settle: Callable[[], dict[str, float]]


def sinkwell_lanes(port: int, folder: str, three: bool, block: bool = False, data: bool = True) -> Candidate:
    """Three lanes as the bars ask for (memory, file, OTLP), or the one over OTLP; sealed with HMAC."""
    import sinkwell

    common: dict[str, Any] = {"batch": {"linger": "200ms"}, **({"overflow": "block"} if block else {})}
    endpoint = {
        "endpoint": f"http://127.0.0.1:{port}",
        "protocol": "http/protobuf",
        "compression": "none",
    }
    lanes: list[dict[str, Any]] = [{"id": "otlp", "sink": {"otlp": endpoint}, **common}]
    if three:
        lanes.append({"id": "memory", "sink": "memory", **common})
        lanes.append({"id": "file", "sink": {"file": {"path": f"{folder}/events.ndjson"}}, **common})
    key = {"id": "k1", "hmac_sha256": {"base64": KEY}}
    emitter = sinkwell.Emitter.open({"agent": {"id": "urn:example:agent"}, "key": key, "lanes": lanes})

    def settle() -> dict[str, float]:
        emitter.shutdown(60)
        # Of a disabled emitter there are none.
        counters = emitter.counters().get("otlp", {})
        return {f"otlp_{name}": counters.get(name, 0) for name in ("own", "dropped", "rejected")}

    if not data:
        return Candidate(lambda n: emitter.emit(TYPE), emitter.flush, settle)
    return Candidate(lambda n: emitter.emit(TYPE, attributes(n)), emitter.flush, settle)


def opentelemetry(port: int, folder: str) -> Candidate:
    """The SDK's batch processor and OTLP exporter, as they are by default."""
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

    return Candidate(emit, provider.force_flush, settle)


def structlog_file(port: int, folder: str) -> Candidate:
    """structlog, rendered by orjson, to a file."""
    import orjson
    import structlog

    file = open(f"{folder}/peer.ndjson", "wb")  # noqa: SIM115
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

    return Candidate(lambda n: log.info(TYPE, **attributes(n)), file.flush, settle)


class JsonFormatter(logging.Formatter):
    """A record and its attributes as a line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Runs on the listener's thread."""
        return json.dumps(
            {"time": record.created, "level": record.levelname, "event": record.msg, **record.attributes}  # type: ignore[attr-defined]
        )


def queue_handler(port: int, folder: str) -> Candidate:
    """The standard library's logging: a QueueHandler, whose listener writes JSON to a file."""
    import queue
    from logging.handlers import QueueHandler, QueueListener

    file = logging.FileHandler(f"{folder}/peer.ndjson")
    file.setFormatter(JsonFormatter())
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = QueueListener(waiting, file)
    listener.start()
    logger = logging.getLogger("bench")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(QueueHandler(waiting))

    def settle() -> dict[str, float]:
        listener.stop()
        file.close()
        return {}

    def flush() -> None:
        while not waiting.empty():
            time.sleep(0.01)

    return Candidate(lambda n: logger.info(TYPE, extra={"attributes": attributes(n)}), flush, settle)


def by_hand(port: int, folder: str) -> Candidate:
    """Signs each event where it happens, as toolkits for agents do: sorted JSON, the hash of the one before,
    HMAC, append.
    """
    file = open(f"{folder}/peer.ndjson", "ab", buffering=0)  # noqa: SIM115
    key = base64.b64decode(KEY)
    previous, sequence = "", 0

    def canonical(event: dict[str, Any]) -> bytes:
        return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def emit(n: int) -> None:
        nonlocal previous, sequence
        sequence += 1
        event: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "type": TYPE,
            "source": "urn:example:agent",
            "time": time.time(),
            "sequence": sequence,
            "previous": previous,
            "data": attributes(n),
        }
        event["signature"] = hmac.new(key, canonical(event), hashlib.sha256).hexdigest()
        line = canonical(event)
        previous = hashlib.sha256(line).hexdigest()
        file.write(line + b"\n")

    def settle() -> dict[str, float]:
        file.close()
        return {}

    return Candidate(emit, lambda: None, settle)


CANDIDATES: dict[str, Callable[[int, str], Candidate]] = {
    "otel": opentelemetry,
    "three": lambda port, folder: sinkwell_lanes(port, folder, True),
    "three-block": lambda port, folder: sinkwell_lanes(port, folder, True, True),
    "otlp": lambda port, folder: sinkwell_lanes(port, folder, False),
    "convert": lambda port, folder: sinkwell_lanes(port, folder, False),
    "convert-nothing": lambda port, folder: sinkwell_lanes(port, folder, False, data=False),
    "queuehandler": queue_handler,
    "structlog": structlog_file,
    "hand": by_hand,
}
