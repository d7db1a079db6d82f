"""What comes in from a program's own logging and tracing."""

from __future__ import annotations

import asyncio
import logging
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sinkwell
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from sinkwell.logging import Handler
from sinkwell.opentelemetry import SpanProcessor
from sinkwell.structlog import Processor

Lines = Callable[[], list[dict[str, Any]]]
CANARY = "CANARY-7f3a"


@pytest.fixture
def events(emitter: sinkwell.Emitter, lines: Lines) -> Lines:
    def read() -> list[dict[str, Any]]:
        emitter.flush(timeout=5)
        return [line for line in lines() if "origin" not in line]

    return read


@pytest.fixture
def told() -> Iterator[Callable[[], str]]:
    """What the core tells ``logging`` next; it comes by way of a thread of ours."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.put(record.getMessage())

    keeps = Keeps()
    logging.getLogger("sinkwell").addHandler(keeps)
    yield lambda: said.get(timeout=10)
    logging.getLogger("sinkwell").removeHandler(keeps)


def test_logging(emitter: sinkwell.Emitter, events: Lines) -> None:
    logger = logging.getLogger("shop.cart")
    handler = Handler(emitter)
    logger.addHandler(handler)
    try:
        logger.warning("said %s", CANARY)
        try:
            raise ValueError(CANARY)
        except ValueError:
            logger.exception("failed")
        logging.getLogger("sinkwell").warning("our own")
    finally:
        logger.removeHandler(handler)
    warning, error = events()
    assert [e["type"] for e in (warning, error)] == ["dev.sinkwell.log.record"] * 2
    assert (warning["severitytext"], error["severitytext"]) == ("WARN", "ERROR")
    assert (warning["data"]["logger"], error["data"]["error.type"]) == ("shop.cart", "ValueError")
    assert warning["data"]["content"][0]["class"] == "message"
    assert CANARY not in str([warning, error])


def test_structlog(emitter: sinkwell.Emitter, events: Lines) -> None:
    passed: list[Any] = []

    def last(_: Any, __: str, entry: Any) -> Any:
        passed.append(dict(entry))
        raise structlog.DropEvent

    logger = structlog.wrap_logger(None, processors=[Processor(emitter), last])
    logger.error("said", what=CANARY, how=object)
    (event,) = events()
    assert (event["type"], event["severitytext"]) == ("dev.sinkwell.log.record", "ERROR")
    assert CANARY not in str(event)
    assert passed == [{"event": "said", "what": CANARY, "how": object}]


def test_the_bridges_are_there_after_the_plain_import() -> None:
    code = (
        "import sinkwell; sinkwell.logging.Handler(); sinkwell.structlog.Processor(); "
        "sinkwell.opentelemetry.SpanProcessor()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    missing = "import sys; sys.modules['opentelemetry'] = None; import sinkwell; sinkwell.opentelemetry"
    ended = subprocess.run([sys.executable, "-c", missing], capture_output=True, text=True, timeout=60)
    assert "pip install 'sinkwell[opentelemetry]'" in ended.stderr


class Odd:
    """Raises when it is asked what it is."""

    def __str__(self) -> str:
        raise RuntimeError(CANARY)


def odd() -> dict[str, Any]:
    """What a program may give its logger, all of it people's words or worse."""
    circle: list[Any] = [CANARY]
    circle += [circle, circle]
    return {
        "nan": float("nan"),
        "big": 2**70,
        "bytes": CANARY.encode(),
        "lone": "\ud800" + CANARY,
        "circle": circle,
        "odd": Odd(),
        "set": {CANARY},
        "time": CANARY,
        CANARY: {CANARY: [CANARY]},
    }


def test_no_record_of_logging_is_lost_and_no_word_leaves(emitter: sinkwell.Emitter, events: Lines) -> None:
    logger = logging.Logger("shop.cart")
    logger.addHandler(Handler(emitter))
    given = odd()
    logger.warning("said %s", CANARY, extra=given)
    logger.warning("said %d", CANARY)  # arguments that do not fit
    logger.warning(CANARY * 300_000)
    logger.log(35, Odd())
    try:
        raise ValueError(CANARY) from KeyError(CANARY)
    except ValueError:
        logger.exception("%s", Odd())
    records = events()
    assert [e["severitytext"] for e in records] == ["WARN"] * 4 + ["ERROR"]
    assert CANARY not in str(records)
    assert records[0]["data"]["respelled"] >= 6
    assert [part.get("role") for part in records[0]["data"]["content"]] == [None, "attributes"]
    assert records[2]["data"]["respelled"] == 1
    assert records[4]["data"]["error.type"] == "ValueError"
    assert [part.get("role") for part in records[4]["data"]["content"]] == [None, "attributes", "exception"]


def test_no_entry_of_structlog_is_lost_and_no_word_leaves(emitter: sinkwell.Emitter, events: Lines) -> None:
    logger = structlog.wrap_logger(
        None, processors=[Processor(emitter), lambda _, __, entry: str(entry.keys())]
    )
    logger.bind(**{key: value for key, value in odd().items() if key != CANARY}).error(CANARY)
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.info("failed", exc_info=True)
    bound, failed = events()
    assert CANARY not in str([bound, failed])
    assert [part.get("role") for part in bound["data"]["content"]] == [None, "attributes"]
    assert failed["data"]["error.type"] == "ValueError"


OPEN_GATES: dict[str, Any] = {
    "agent": {"id": "a"},
    "heartbeat": "off",
    "governance": {
        "content": {
            "mode": "raw",
            "redaction": {"id": "none", "detectors": []},
            "retention": {"class": "short", "window": "30d"},
            "sampling": {"key": "event", "rate": {"numerator": 1, "denominator": 1}},
            "limits": {"bytes": "64KiB"},
        }
    },
}


@pytest.mark.parametrize("permit", [None, "off", "raw"])
def test_with_every_gate_open_words_leave_as_far_as_they_are_permitted(permit: str | None) -> None:
    lines: list[Any] = []

    class Keeps:
        name = "keeps"
        classes = frozenset({"debug"})

        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            lines.append(event.bytes.decode())

    with sinkwell.Emitter.open(OPEN_GATES) as emitter:
        emitter.add_sink(Keeps(), content={"mode": "raw", "classes": ["message"]})
        logger = logging.Logger("shop.cart")
        logger.addHandler(Handler(emitter, permit=permit))
        logger.warning("said %s", CANARY, extra={"what": CANARY})
        try:
            raise ValueError(CANARY)
        except ValueError:
            logger.exception("failed")
    said = sum(line.count(CANARY) for line in lines)
    # The message, the attribute, the exception's trace.
    assert (said >= 3) if permit == "raw" else (said == 0)


class Posts:
    """A sink that posts on an executor's thread, where its client logs."""

    name = "posts"
    classes = frozenset({"debug"})

    def __init__(self, logger: logging.Logger, pool: ThreadPoolExecutor) -> None:
        self.logger = logger
        self.pool = pool
        self.posted = 0

    def post(self) -> None:
        self.posted += 1
        self.logger.warning("posted %s", CANARY)

    async def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        await asyncio.get_running_loop().run_in_executor(self.pool, self.post)


def test_the_handler_does_not_feed_itself_from_an_executors_thread() -> None:
    logger = logging.Logger("http")
    with ThreadPoolExecutor(1) as pool:
        sink = Posts(logger, pool)
        with sinkwell.Emitter.open(
            {"agent": {"id": "a"}, "heartbeat": "off", "lanes": []}, sinks=[sink]
        ) as emitter:
            logger.addHandler(Handler(emitter))
            emitter.emit("com.example.x")
            emitter.flush(10)
            # `opened` and the event, and nothing that came of them.
            assert (sink.posted, emitter.counters()["posts"]["admitted"]) == (2, 1)
            # The thread is the program's own as well: what it logs there is an event.
            pool.submit(logger.warning, "of the program").result()
            emitter.flush(10)
            assert (sink.posted, emitter.counters()["posts"]["admitted"]) == (3, 2)


@pytest.mark.parametrize("permit", ["off", "raw"])
def test_every_attribute_leaves_where_every_gate_is_open(permit: str) -> None:
    """Of both doors: bound values, nested ones, arguments that do not fit, exceptions and their causes."""
    texts: list[str] = []

    class Keeps:
        name = "keeps"
        classes = frozenset({"debug"})

        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            texts.extend(part["text"] for part in event.data.get("disclosures", []))

    marks = [f"{CANARY}-{n}" for n in range(8)]
    with sinkwell.Emitter.open(OPEN_GATES) as emitter:
        emitter.add_sink(Keeps(), content={"mode": "raw", "classes": ["message"]})
        logger = logging.Logger("shop.cart")
        logger.addHandler(Handler(emitter, permit=permit))
        logger.warning("%d", marks[0], extra={"nested": {"deep": [marks[1]]}, "time": marks[2]})
        try:
            raise ValueError(marks[3]) from KeyError(marks[4])
        except ValueError:
            logger.exception("failed")
        processors: list[Any] = [Processor(emitter, permit=permit), lambda _, __, entry: str(entry.keys())]
        bound = structlog.wrap_logger(None, processors=processors).bind(bound=marks[5])
        bound.error(marks[6], nested={"deep": (marks[7],)})
        emitter.flush(10)
    said = [mark for mark in marks if any(mark in text for text in texts)]
    assert said == (marks if permit == "raw" else [])


def test_logging_never_fails(
    emitter: sinkwell.Emitter, told: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    emitter.shutdown()
    monkeypatch.setattr(logging, "raiseExceptions", False)
    for _ in range(3):
        Handler(emitter).handle(logging.LogRecord("late", logging.INFO, "", 0, CANARY, None, None))
    emitter.shutdown()
    for said in ("1 log record was not emitted (closed)", "2 more log records were not emitted (closed)"):
        text = told()
        assert text.startswith(said)
        assert CANARY not in text
    logger = structlog.wrap_logger(None, processors=[Processor(emitter), lambda _, __, entry: str(entry)])
    entry = Processor(emitter)(logger, "info", {"event": "late"})
    assert entry == {"event": "late", "sinkwell": "not emitted: closed"}


def test_what_a_record_raises_while_it_is_read_ends_where_logging_ends_it(
    emitter: sinkwell.Emitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nameless:
        @property
        def name(self) -> str:
            raise ValueError(CANARY)

    entry = Processor(emitter)(Nameless(), "info", {"event": "odd"})
    assert entry == {"event": "odd", "sinkwell": "not emitted: ValueError"}
    handler = Handler(emitter)
    failed: list[logging.LogRecord] = []
    monkeypatch.setattr(handler, "handleError", failed.append)
    # As one that came over a wire from elsewhere may be.
    record = logging.makeLogRecord({"levelno": logging.INFO, "msg": "odd", "created": float("nan")})
    handler.handle(record)
    assert failed == [record]


@pytest.fixture
def tracer(emitter: sinkwell.Emitter) -> Any:
    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor(emitter))
    return provider.get_tracer("test")


def test_the_active_span_is_an_events_trace(emitter: sinkwell.Emitter, events: Lines, tracer: Any) -> None:
    emitter.emit("com.example.outside")
    with tracer.start_as_current_span("work") as span:
        context = span.get_span_context()
        emitter.emit("com.example.inside")
    outside, inside, finished = events()
    assert "traceparent" not in outside
    expected = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    assert inside["traceparent"] == finished["traceparent"] == expected
    assert (finished["type"], finished["data"]["name"]) == ("dev.sinkwell.span", "work")
    assert finished["data"]["status"] == "unset"
    assert finished["data"]["duration_ms"] >= 0


def test_genai_spans_are_runs_tools_and_usage(events: Lines, tracer: Any) -> None:
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "buyer"}
    with tracer.start_as_current_span("invoke_agent buyer", attributes=agent):
        model = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "example",
            "gen_ai.request.model": "small",
            "gen_ai.input.messages": CANARY,
        }
        with tracer.start_as_current_span("chat small", attributes=model) as span:
            span.set_attribute("gen_ai.response.model", "small-1")
            span.set_attribute("gen_ai.usage.input_tokens", 12)
            span.set_attribute("gen_ai.usage.output_tokens", 3)
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
        with tracer.start_as_current_span("execute_tool search", attributes=tool) as span:
            span.set_attribute("gen_ai.tool.call.arguments", CANARY)
            span.set_attribute("error.type", "TimeoutError")
            span.set_status(Status(StatusCode.ERROR, CANARY))
        mcp = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "weather"}
        with tracer.start_as_current_span("tools/call weather", attributes=mcp):
            pass
    started, usage, failed, called, completed = events()
    types = [e["type"].removeprefix("dev.sinkwell.") for e in (started, usage, failed, called, completed)]
    assert types == ["run.started", "model.usage", "tool.invocation", "tool.invocation", "run.completed"]
    assert usage["data"]["source.family"] == "model"
    assert (usage["data"]["model"], usage["data"]["provider"]) == ("small-1", "example")
    assert (usage["data"]["input_tokens"], usage["data"]["total_tokens"]) == (12, 15)
    assert (failed["data"]["tool"], failed["data"]["outcome"]) == ("search", "timeout")
    assert (failed["severitytext"], failed["subject"]) == ("WARN", "tool:search")
    assert failed["data"]["error.type"] == "TimeoutError"
    assert (called["data"]["tool"], called["data"]["outcome"]) == ("weather", "ok")
    assert completed["data"]["terminal_status"] == "completed"
    assert len({e["runid"] for e in events()}) == 1
    assert [part["class"] for part in failed["data"]["content"]] == ["tool_arguments"]
    assert [part["class"] for part in usage["data"]["content"]] == ["prompt"]
    assert CANARY not in str(events())


def test_a_failed_run(events: Lines, tracer: Any) -> None:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "c-1"}
    with (
        pytest.raises(RuntimeError),
        tracer.start_as_current_span("invoke_agent", attributes=attributes),
    ):
        raise RuntimeError(CANARY)
    failed = events()[-1]
    assert (failed["type"], failed["correlationid"]) == ("dev.sinkwell.run.failed", "c-1")
    assert failed["runid"] == failed["traceparent"][3:35]
    assert failed["data"]["error.type"] == "RuntimeError"
    assert CANARY not in str(events())


def test_what_json_cannot_say_loses_no_span(events: Lines, tracer: Any) -> None:
    odd = {"a.nan": float("nan"), "a.big": 2**63 - 1, "a.bytes": b"\x00", "a.lone": "\ud800", "a.n": 7}
    with tracer.start_as_current_span("odd \ud800", attributes=odd):
        pass
    (event,) = events()
    assert event["data"]["a.n"] == 7
    assert not {"a.nan", "a.big", "a.bytes", "a.lone"} & set(event["data"])


def test_kind_links_and_what_happened_travel(events: Lines, tracer: Any) -> None:
    with tracer.start_as_current_span("around") as around:
        pass
    links = [Link(around.get_span_context(), {"link.n": 1, "words": CANARY})]
    with tracer.start_as_current_span("GET /cart", kind=SpanKind.SERVER, links=links) as span:
        span.add_event("cache.miss", {"cache.size": 3, "words": CANARY}, timestamp=1_700_000_001_000_000_000)
        span.add_event(f"{CANARY} said hello")
    data = events()[-1]["data"]
    assert data["span_kind"] == "server"
    context = around.get_span_context()
    (link,) = data["span_links"]
    assert (link["trace_id"], link["span_id"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert (link["flags"], link["attributes"]) == (int(context.trace_flags), {"link.n": 1})
    happened = {
        "name": "cache.miss",
        "time": "2023-11-14T22:13:21.000000000Z",
        "attributes": {"cache.size": 3},
    }
    assert (data["span_events"], data["span_events_left_out"]) == ([happened], 1)
    assert CANARY not in str(events())


def test_steps_of_a_saga_without_opentelemetry(emitter: sinkwell.Emitter, events: Lines) -> None:
    SpanProcessor(emitter).record_span("saga.step.pay", 1.5, 2.0, {"agent.saga.id": "s-1"}, "compensating")
    (event,) = events()
    assert (event["type"], event["runid"]) == ("dev.sinkwell.run.progress", "s-1")
    assert (event["data"]["step"], event["data"]["status"]) == ("pay", "compensating")
    assert (event["data"]["duration_ms"], event["time"]) == (500, "1970-01-01T00:00:02.000000000Z")


def test_content_leaves_as_far_as_it_is_permitted(emitter: sinkwell.Emitter, events: Lines) -> None:
    for permit in (None, "raw"):
        provider = TracerProvider()
        provider.add_span_processor(SpanProcessor(emitter, permit=permit))
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": CANARY}
        with provider.get_tracer("test").start_as_current_span("execute_tool x", attributes=attributes):
            pass
    kept, permitted = (event["data"]["capture"]["parts"][0] for event in events())
    assert (kept["requested"], permitted["requested"]) == ("off", "raw")
    assert CANARY not in str(events())


def test_a_span_that_cannot_be_emitted_breaks_nothing(
    emitter: sinkwell.Emitter, tracer: Any, told: Callable[[], str]
) -> None:
    emitter.shutdown()
    with tracer.start_as_current_span("late"):
        pass
    assert told().startswith("1 event of a span was not emitted (closed)")


def test_usage_of_a_provider() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    data = sinkwell.model_usage("openai", usage)
    assert (data["input_tokens"], data["output_tokens"], data["source.family"]) == (10, 2, "model")
    with pytest.raises(sinkwell.Error):
        sinkwell.model_usage("nobody", usage)
