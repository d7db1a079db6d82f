"""One product under a program: `begin()` as its own first page says, `emit(n)`, and nothing at the end: what becomes of
events when nobody says that the program ends is what is measured.

Each event is noted in a file when its call has returned, and once more when its receipt says `journaled`.
"""

from __future__ import annotations

import asyncio
import os
import time

PRODUCT = os.environ["SURVIVAL_PRODUCT"]
ENDPOINT = os.environ["SURVIVAL_ENDPOINT"]
JOURNAL = os.environ.get("SURVIVAL_JOURNAL") == "1"
# How many events a program emits; about one each millisecond, so that some are under way when it ends.
COUNT = int(os.environ["SURVIVAL_COUNT"])

_notes = os.open(os.environ["SURVIVAL_NOTES"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
_emit = None


def _note(what: str, n: int) -> None:
    os.write(_notes, f"{what} {n}\n".encode())


def begin(name: str = "survivor"):
    """Sets the product up; the answer emits."""
    global _emit
    if PRODUCT == "sinkwell":
        import sinkwell

        # The default emitter is from the file that SINKWELL_CONFIG names.
        _emit = sinkwell.emit if name == "survivor" else sinkwell.Emitter.open("sinkwell.yaml").emit
    elif PRODUCT == "opentelemetry":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{ENDPOINT}/v1/traces")))
        tracer = provider.get_tracer(name)
        _emit = lambda n: tracer.start_span(f"event-{n}").end()
    else:
        from langfuse import Langfuse

        client = Langfuse(public_key=name, secret_key="secret", base_url=ENDPOINT)
        _emit = lambda n: client.start_observation(name=f"event-{n}").end()
    return _emit


def emit(n: int) -> None:
    if _emit is None:
        begin()
    if PRODUCT != "sinkwell":
        _emit(n)
        _note("emitted", n)
        return
    receipt = _emit("com.example.n", {"n": n})
    _note("emitted", n)
    # One in ten is asked for.
    if JOURNAL and n % 10 == 0:
        receipt.wait("journaled", timeout=30)
        _note("journaled", n)


async def aemit(n: int) -> None:
    """The same on an event loop."""
    if PRODUCT != "sinkwell":
        emit(n)
        return
    import sinkwell

    receipt = await sinkwell.aemit("com.example.n", {"n": n})
    _note("emitted", n)
    if JOURNAL and n % 10 == 0:
        await asyncio.wrap_future(receipt.journaled())
        _note("journaled", n)


def emit_all(numbers: range) -> None:
    for n in numbers:
        emit(n)
        time.sleep(0.001)
