"""The event as Python gives it: what goes in, what is refused, and with which words."""

from __future__ import annotations

import datetime
import decimal
import enum
import itertools
import sys
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sinkwell

Lines = Callable[[], list[dict[str, Any]]]


def host_events(lines: Lines) -> list[dict[str, Any]]:
    return [line for line in lines() if "origin" not in line]


def test_every_argument_reaches_the_envelope(config: dict[str, Any], lines: Lines) -> None:
    config["agent"] = {"id": "urn:test:agent", "tenant": "acme", "allow": ["urn:test:*", "acme-*"]}
    with sinkwell.Emitter.open(config) as emitter:
        receipt = emitter.emit(
            "tool.invocation",
            {"tool": "search", "outcome": "ok"},
            subject="tool:search",
            run="r-1",
            turn="t-1",
            attempt="a-1",
            severity="error",
            agent="urn:test:child",
            tenant="acme-eu",
            time="2026-01-31T12:00:00.5Z",
            id="019a0000-0000-7000-8000-000000000001",
            causation="019a0000-0000-7000-8000-000000000002",
            correlation="conversation-7",
            trace={"trace_id": "a" * 32, "span_id": "b" * 16, "flags": 1, "state": "x=y"},
        )
        receipt.wait("delivered", timeout=5)
    (event,) = host_events(lines)
    assert receipt.id == event["id"] == "019a0000-0000-7000-8000-000000000001"
    expected = {
        "type": "dev.sinkwell.tool.invocation",
        "subject": "tool:search",
        "runid": "r-1",
        "turnid": "t-1",
        "attemptid": "a-1",
        "severitytext": "ERROR",
        "severitynumber": 17,
        "agentid": "urn:test:child",
        "tenantid": "acme-eu",
        "time": "2026-01-31T12:00:00.500000000Z",
        "causationid": "019a0000-0000-7000-8000-000000000002",
        "correlationid": "conversation-7",
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "tracestate": "x=y",
        "data": {"tool": "search", "outcome": "ok"},
    }
    assert {name: event.get(name) for name in expected} == expected


class Colour(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    TWO = 2


class Index:
    """As numpy's integers are: not an int, but one by `__index__`."""

    def __index__(self) -> int:
        return 7


def test_python_values_become_json(emitter: sinkwell.Emitter, lines: Lines) -> None:
    data = {
        "text": 'é \U0001f600 \0 "quoted"',
        "numbers": [0, -1, 2**53 - 1, 1.5, -0.0, 1e-300],
        "flags": (True, False, None),
        "nested": {"b": {}, "a": []},
        "ordered": OrderedDict(z=1, a=2),
        "mapping": MappingProxyType({"k": "v"}),
        "enums": [Colour.RED, Number.TWO],
        "index": Index(),
    }
    emitter.emit("com.example.values", data).wait("delivered", timeout=5)
    (event,) = host_events(lines)
    assert event["data"] == {
        "text": 'é \U0001f600 \0 "quoted"',
        "numbers": [0, -1, 2**53 - 1, 1.5, 0, 1e-300],
        "flags": [True, False, None],
        "nested": {"b": {}, "a": []},
        "ordered": {"z": 1, "a": 2},
        "mapping": {"k": "v"},
        "enums": ["red", 2],
        "index": 7,
    }


def cyclic() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    return loop


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("data", "where", "says"),
    [
        ({"n": 2**53}, "data.n", "2^53"),
        ({"n": -(2**53)}, "data.n", "2^53"),
        ({"n": 10**400}, "data.n", "2^53"),
        ({"n": float(2**60)}, "data.n", "2^53"),
        ({"a": [1, {"n": float("nan")}]}, "data.a[1].n", "NaN"),
        ({"n": float("inf")}, "data.n", "infinities"),
        ({"s": "\ud800"}, "data.s", "surrogate"),
        ({"a": {"\udfff": 1}}, "data.a.�", "surrogate"),
        ({"a": {1: "x"}}, "data.a.1", "string"),
        ({"a": {None: "x"}}, "data.a.None", "string"),
        ({"when": datetime.datetime.now(datetime.timezone.utc)}, "data.when", "send it as a string"),
        ({"day": datetime.date(2026, 1, 1)}, "data.day", "send it as a string"),
        ({"price": decimal.Decimal("1.10")}, "data.price", "send it as a string"),
        ({"id": uuid.UUID(int=1)}, "data.id", "send it as a string"),
        ({"raw": b"bytes"}, "data.raw", "send it as a string"),
        ({"set": {1}}, "data.set", "send a list: sorted("),
        ({"object": object()}, "data.object", "send it as a string"),
        ({"c": 1j}, "data.c", "send it as a string"),
        ([1, 2], "data", "object"),
        ("text", "data", "object"),
        (7, "data", "object"),
        ({"disclosures": []}, "data.disclosures", ""),
        ({"content": []}, "data.content", ""),
        ({"capture": {}}, "data.capture", ""),
        ({"phase": "result"}, "data.phase", "deed"),
    ],
)
def test_bad_data_is_refused_with_its_place(
    emitter: sinkwell.Emitter, lines: Lines, data: Any, where: str, says: str
) -> None:
    with pytest.raises(sinkwell.InvalidEvent) as caught:
        emitter.emit("com.example.bad", data)
    error = caught.value
    assert (error.kind, error.code, error.where) == ("invalid_event", 2, where)
    assert says in error.message
    # The emitter goes on as if it had not come.
    emitter.emit("com.example.good").wait("delivered", timeout=5)
    assert [event["type"] for event in host_events(lines)] == ["com.example.good"]
    assert emitter.refused == 0


@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_a_dict_that_changes_while_it_is_read_is_refused(
    emitter: sinkwell.Emitter, lines: Lines, change: str
) -> None:
    data: dict[str, Any] = {}

    class Meddler(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            return 1

        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[str]:
            if change == "grows":
                data.update({f"more{i}": i for i in range(1000)})
            else:
                del data["last"]
            yield "a"

    data |= {"first": Meddler(), "last": 1}
    with pytest.raises(sinkwell.InvalidEvent, match="changed while it was read") as caught:
        emitter.emit("com.example.bad", data)
    assert caught.value.where == "data.first"
    emitter.emit("com.example.good").wait("delivered", timeout=5)
    assert [event["type"] for event in host_events(lines)] == ["com.example.good"]


def test_depth(emitter: sinkwell.Emitter) -> None:
    emitter.emit("com.example.deep", deep(64))
    for data in (deep(65), cyclic()):
        with pytest.raises(sinkwell.InvalidEvent, match="nested deeper than 64"):
            emitter.emit("com.example.deep", data)


class Endless(Mapping[str, int]):
    """A mapping without a last member."""

    def __getitem__(self, key: str) -> int:
        return len(key)

    def __iter__(self) -> Iterator[str]:
        return map(str, itertools.count())

    def __len__(self) -> int:
        return 1


@pytest.mark.skipif(sys.platform != "linux", reason="limits its memory")
@pytest.mark.parametrize("what", ["endless", "shared"])
def test_what_is_longer_than_any_memory_is_refused_before_it_is_written_to_its_end(
    emitter: sinkwell.Emitter, what: str
) -> None:
    # Where it is not, this fails, and takes no memory from others.
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30), before[1]))
    try:
        # 2^40 strings.
        shared: list[Any] = ["MARKER"]
        for _ in range(40):
            shared = [shared, shared]
        data: Mapping[str, Any] = Endless() if what == "endless" else {"value": shared}
        with pytest.raises(sinkwell.InvalidEvent, match="over the limit"):
            emitter.emit("com.example.n", data)
        with pytest.raises(sinkwell.InvalidEvent, match="over the limit"):
            emitter.emit("com.example.n", {"more": {"still": data}})
        emitter.emit_log({"scale": "logging", "level": 20, "message": "m", "attributes": {"value": data}})
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_size(emitter: sinkwell.Emitter) -> None:
    emitter.emit("com.example.large", {"text": "x" * (1000 * 1024)})
    with pytest.raises(sinkwell.InvalidEvent, match="over the limit"):
        emitter.emit("com.example.large", {"text": "x" * (1024 * 1024 + 1)})


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"type": ""}, "type"),
        ({"type": "has space"}, "type"),
        ({"type": None}, "type"),
        ({"type": "\ud800"}, "type"),
        ({"type": "heartbeat"}, "type"),
        ({"type": "dev.sinkwell.audit.chain"}, "type"),
        ({"type": "tool.invocation", "data": {}}, "data.tool"),
        ({"type": "policy.decision", "data": {"decision": "maybe"}}, "data.decision"),
        ({"subject": ""}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": 7}, "subject"),
        ({"subject": "\udc00"}, "subject"),
        ({"severity": "loud"}, "severity"),
        ({"agent": "urn:other"}, "agent"),
        ({"tenant": "other"}, "tenant"),
        ({"time": "yesterday"}, "time"),
        ({"time": datetime.datetime(2026, 1, 1)}, "time"),
        ({"time": 1700000000}, "time"),
        ({"id": "not ascii: \u00e9"}, "id"),
        ({"tenant": ""}, "tenant"),
        ({"trace": {"trace_id": "a" * 32, "span_id": "b" * 16, "flags": 256}}, "trace.flags"),
        ({"trace": "00-…"}, "trace"),
        ({"content": 7}, "content"),
        ({"content": [{"class": "thinking", "text": "x"}]}, "content[0].class"),
        ({"content": [{"class": "prompt"}]}, "content[0]"),
        ({"type": "run.completed", "terminal": False}, "terminal"),
    ],
)
def test_bad_arguments_are_refused_with_their_place(
    emitter: sinkwell.Emitter, arguments: dict[str, Any], where: str
) -> None:
    with pytest.raises(sinkwell.InvalidEvent) as caught:
        emitter.emit(**{"type": "com.example.bad", **arguments})
    assert caught.value.where is not None
    assert caught.value.where.startswith(where)


def test_an_aware_datetime_is_a_time(emitter: sinkwell.Emitter, lines: Lines) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    when = datetime.datetime(2026, 1, 31, 12, 0, 0, 250, tzinfo=zone)
    emitter.emit("com.example.when", time=when).wait("delivered", timeout=5)
    assert host_events(lines)[0]["time"] == "2026-01-31T10:00:00.000250000Z"


def test_a_mapping_may_emit_while_it_is_walked(emitter: sinkwell.Emitter, lines: Lines) -> None:
    class Chatty(dict[str, Any]):
        pass

    class Talks:
        def keys(self) -> list[str]:
            return ["a"]

        def __index__(self) -> int:
            emitter.emit("com.example.inner", {"n": 1})
            return 2

    emitter.emit("com.example.outer", Chatty(a=1, b=Talks())).wait("delivered", timeout=5)
    assert {event["type"]: event["data"] for event in host_events(lines)} == {
        "com.example.inner": {"n": 1},
        "com.example.outer": {"a": 1, "b": 2},
    }


def test_errors_form_one_family() -> None:
    kinds = {cls.kind: cls for cls in sinkwell.Error.__subclasses__()}
    assert len(kinds) == 14
    for kind, cls in kinds.items():
        name = "".join(word.capitalize() for word in kind.split("_"))
        assert cls is getattr(sinkwell, name)
        assert cls("x").code in {*range(1, 14), 255}
    assert issubclass(sinkwell.Timeout, TimeoutError)
    assert issubclass(sinkwell.InvalidEvent, ValueError)
    assert str(sinkwell.Closed("over", "here")) == "closed: here: over"


def test_closed(config: dict[str, Any]) -> None:
    emitter = sinkwell.Emitter.open(config)
    assert emitter.shutdown(timeout=5)["file"]["where"] == "none"
    emitter.shutdown()
    with pytest.raises(sinkwell.Closed):
        emitter.emit("com.example.late")
    with pytest.raises(sinkwell.Closed):
        emitter.ensure_ready()
    assert emitter.refused == 1


@pytest.mark.parametrize("document", [5, b"sinkwell.yaml", {"agent"}, [], True, object()])
def test_what_is_no_configuration_is_refused(document: Any) -> None:
    with pytest.raises(sinkwell.InvalidConfig, match="expected a mapping"):
        sinkwell.Emitter.open(document)


@pytest.mark.parametrize(
    ("document", "kind", "where"),
    [
        ({"lanez": []}, "invalid_config", "lanez"),
        (
            {"lanes": [{"sink": {"file": {"path": "x", "flie": 1}}}]},
            "invalid_config",
            "lanes[0].sink.file.flie",
        ),
        ({"lanes": ["stdout", "stdout"]}, "invalid_config", "lanes"),
        ({"heartbeat": {"every": 30}}, "invalid_config", "heartbeat.every"),
        ({"lanes": [{"sink": {"host": "nobody"}}]}, "invalid_config", "lanes"),
        ({"key": {"id": "k", "ed25519": {"file": "/nowhere/key.pem"}}}, "key", "/nowhere/key.pem"),
        ({"key": {"id": "k", "hmac_sha256": {"base64": "c2hvcnQ="}}}, "key", "key"),
        ({"testing": {"seed": 1}}, "invalid_config", "testing"),
    ],
)
def test_bad_configuration(document: dict[str, Any], kind: str, where: str) -> None:
    with pytest.raises(sinkwell.Error) as caught:
        sinkwell.Emitter.open(document)
    assert (caught.value.kind, where in (caught.value.where or "")) == (kind, True), caught.value


def test_a_file_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "sinkwell.yaml"
    path.write_text("agent: { id: a }\nlanes:\n  - sink: { fil: { path: x } }\n")
    with pytest.raises(sinkwell.InvalidConfig, match="file") as caught:
        sinkwell.Emitter.open(path)
    assert f"{path}:3:" in (caught.value.where or "")


def test_a_group_readable_key_is_refused(config: dict[str, Any], key: Path) -> None:
    key.chmod(0o640)
    with pytest.raises(sinkwell.Key) as caught:
        sinkwell.Emitter.open(config)
    assert "PRIVATE KEY" not in str(caught.value)
    config["key"]["allow_group_readable"] = True
    sinkwell.Emitter.open(config).shutdown()
