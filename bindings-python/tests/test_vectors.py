"""The conformance vectors, through the package's public API (tests/vectors/README.md).

What ran and what was left out, and why, is written down for the matrix (tests/vectors/matrix.py).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from recorded import record

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"


def cases(folder: str, members: set[str]) -> list[Any]:
    """Every case of a folder. An unknown member fails, and so does a folder without cases."""
    found = []
    for path in sorted((VECTORS / folder).glob("*.json")):
        case = json.loads(path.read_bytes())
        assert set(case) <= members, f"{path}: unknown members {set(case) - members}"
        found.append(pytest.param(case, f"{folder}/{path.stem}", id=path.stem))
    assert found, f"no case in {folder}"
    return found


def in_folder(value: Any, folder: Path) -> Any:
    """The value with `{dir}` replaced in every text."""
    return json.loads(json.dumps(value).replace("{dir}", str(folder)))


EMIT = {"name", "about", "config", "events", "expected"}


@pytest.mark.parametrize(("case", "name"), cases("emit", EMIT))
def test_emit(case: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINKWELL_TESTING", "1")
    with sinkwell.Emitter.open(in_folder(case["config"], tmp_path)) as emitter:
        for step in case["events"]:
            assert set(step) <= {"event", "error"}
            if (expected := step.get("error")) is None:
                emitter.emit(**step["event"])
                continue
            assert set(expected) <= {"kind", "code", "where", "message"}
            with pytest.raises(sinkwell.Error) as caught:
                emitter.emit(**step["event"])
            error = caught.value
            assert (error.kind, error.code) == (expected["kind"], expected["code"])
            assert expected["where"] is None or error.where == expected["where"]
            assert expected.get("message", "") in error.message
    for file, lines in case["expected"].items():
        assert (tmp_path / file).read_text(encoding="utf-8").split("\n") == [*lines, ""]
    record(name)


DEEDS = {"name", "about", "config", "calls", "events"}
ATTRIBUTES = (
    "subject", "runid", "turnid", "attemptid", "agentid", "tenantid", "correlationid", "causationid", "childid",
    "traceparent", "tracestate",
)  # fmt: skip


class Siem:
    name = "siem"
    down = False

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if self.down:
            raise ConnectionError("down")


class Raised(Exception):
    pass


ENDS = {"error": Raised, "timeout": TimeoutError, "cancelled": asyncio.CancelledError}


@contextlib.contextmanager
def failing(expected: dict[str, Any] | None) -> Iterator[None]:
    if expected is None:
        yield
        return
    assert set(expected) <= {"kind", "where", "message"}
    with pytest.raises(sinkwell.Error) as caught:
        yield
    error = caught.value
    assert error.kind == expected["kind"], error
    assert expected["where"] in ("*", error.where), error
    assert expected.get("message", "") in str(error)


def act(emitter: sinkwell.Emitter, call: dict[str, Any], *, awaited: bool) -> None:
    assert set(call) <= {"event", "until", "timeout_ms", "says", "ends", "error"}
    terms = {"until": call["until"]} if "until" in call else {}
    if "timeout_ms" in call:
        terms["timeout"] = call["timeout_ms"] / 1000
    ran = []
    end = ENDS[call["ends"]]() if "ends" in call else None

    def body(deed: sinkwell.Deed) -> None:
        ran.append(True)
        for said in call.get("says", ()):
            assert set(said) <= {"data", "content", "error"}
            with failing(said.get("error")):
                deed.result(said["data"], content=said.get("content"))
        if end is not None:
            raise end

    async def on_a_loop() -> None:
        async with emitter.deed(**call["event"], **terms) as deed:
            body(deed)

    def run() -> None:
        if awaited:
            asyncio.run(on_a_loop())
            return
        with emitter.deed(**call["event"], **terms) as deed:
            body(deed)

    if end is not None:
        with pytest.raises(type(end)):
            run()
    else:
        with failing(call.get("error")):
            run()
    assert bool(ran) == ("error" not in call)


def same(got: Any, wanted: Any) -> bool:
    """`"*"` stands for anything that is there."""
    if wanted == "*":
        return True
    if isinstance(wanted, dict) and isinstance(got, dict):
        return got.keys() == wanted.keys() and all(same(got[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list) and isinstance(got, list):
        return len(got) == len(wanted) and all(map(same, got, wanted))
    return bool(got == wanted)


@pytest.mark.parametrize(("case", "name"), cases("deeds", DEEDS))
def test_deeds(case: dict[str, Any], name: str, tmp_path: Path) -> None:
    for awaited in (False, True):
        folder = tmp_path / str(awaited)
        folder.mkdir()
        sink = Siem()
        config = in_folder(case["config"], folder)
        given = [sink] if "siem" in json.dumps(config) else []
        emitter = sinkwell.Emitter.open(config, sinks=given)
        for call in case["calls"]:
            assert set(call) <= {"emit", "error", "deed", "down", "unready"}
            if "emit" in call:
                with failing(call.get("error")):
                    emitter.emit(**call["emit"])
            elif "deed" in call:
                act(emitter, call["deed"], awaited=awaited)
            elif "down" in call:
                sink.down = True
            else:
                with pytest.raises(sinkwell.RequiredSinkUnavailable):  # noqa: PT012
                    while True:
                        emitter.ensure_ready()
        emitter.shutdown(0.5 if sink.down else None)
        for lane, wanted in case["events"].items():
            lines = (folder / lane).read_text(encoding="utf-8").splitlines()
            events = [event for event in map(json.loads, lines) if "origin" not in event]
            assert len(events) == len(wanted)
            for event, expected in zip(events, wanted, strict=True):
                assert set(expected) <= {"type", "severity", "of", "data", "attributes"}
                assert (event["type"], event["severitytext"]) == (expected["type"], expected["severity"])
                assert same(event["data"], expected["data"]), event["data"]
                attributes = dict(expected["attributes"])
                if "of" in expected:
                    attributes["causationid"] = events[expected["of"]]["id"]
                assert {key: event[key] for key in ATTRIBUTES if key in event} == attributes
    record(name)


POLICY = {"name", "about", "config", "events", "data", "filtered", "conditions", "metrics"}


def conditions(status: dict[str, Any]) -> list[str]:
    return sorted(
        f"{policy['policy']} {target.get('kind', '')}/{target.get('name', '')}: "
        f"{condition['type']}={condition['status']} {condition['reason']}"
        for policy in status["policies"]
        for target in policy["targets"]
        for condition in target["conditions"]
    )


@pytest.mark.parametrize(("case", "name"), cases("policy", POLICY))
def test_policy(case: dict[str, Any], name: str, tmp_path: Path) -> None:
    with sinkwell.Emitter.open(in_folder(case["config"], tmp_path)) as emitter:
        for event in case["events"]:
            emitter.emit(**event)
        assert {lane: counters["filtered_by"] for lane, counters in emitter.counters().items()} == case[
            "filtered"
        ]
        assert conditions(emitter.policy_status()) == case["conditions"]
        if "metrics" in case:
            told = emitter.prometheus().splitlines()
            assert [line for line in told if not line.startswith(("#", "sinkwell_"))] == case["metrics"]
        emitter.reload_policies()
        assert conditions(emitter.policy_status()) == case["conditions"]
    for lane, data in case["data"].items():
        lines = map(json.loads, (tmp_path / lane).read_text(encoding="utf-8").splitlines())
        assert [line["data"] for line in lines if "origin" not in line] == data
    record(name)


VACUUM = {"name", "about", "config", "calls", "lanes"}


def as_logs(log: str) -> list[Any]:
    """The log as everything that a log may be."""
    data = log.encode("utf-8")
    return [
        log,
        data,
        io.BytesIO(data),
        io.StringIO(log, newline=""),
        iter([data[:7], data[7:]]),
        (character for character in log),
    ]


@pytest.mark.parametrize(("case", "name"), cases("vacuum", VACUUM))
def test_vacuum(case: dict[str, Any], name: str, tmp_path: Path) -> None:
    for kind in range(len(as_logs(""))):
        folder = tmp_path / str(kind)
        folder.mkdir()
        with sinkwell.Emitter.open(in_folder(case["config"], folder)) as emitter:
            for call in case["calls"]:
                assert set(call) <= {"log", "process", "nonce", "format", "passed", "report", "error"}
                options = {key: call[key] for key in ("process", "nonce", "format") if key in call}
                log = as_logs(call["log"])[kind]
                if expected := call.get("error"):
                    with pytest.raises(sinkwell.Error) as caught:
                        emitter.vacuum(log, **options)
                    assert (caught.value.kind, caught.value.where) == (expected["kind"], expected["where"])
                    continue
                passed, report = emitter.vacuum(log, **options)
                is_text = isinstance(as_logs("x")[kind], str | io.StringIO) or kind == 5
                assert passed == (call["passed"] if is_text else call["passed"].encode("utf-8"))
                assert report == call["report"]
        for lane, wanted in case["lanes"].items():
            path = folder / lane
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            events = [event for event in map(json.loads, lines) if "origin" not in event]
            assert len(events) == len(wanted)
            for event, expected in zip(events, wanted, strict=True):
                assert {key: event[key] for key in expected} == expected
    record(name)


def test_vacuum_writes_what_goes_through_and_a_broken_log_does_not_count(tmp_path: Path) -> None:
    config = {
        "vacuum": {"cursors": str(tmp_path / "cursors.db")},
        "heartbeat": "off",
        "lanes": [{"id": "kept", "sink": {"file": {"path": str(tmp_path / "kept")}}}],
    }
    with sinkwell.Emitter.open(config) as emitter:
        out = io.BytesIO()
        log = io.BytesIO(b'a\n{"_e":1}\nb')
        done = emitter.vacuum(log, process="p", nonce=1, out=out)
        assert (out.getvalue(), done.passed, done.report["events"]) == (b"a\nb", b"", 1)
        text = io.StringIO()
        emitter.vacuum(iter(["Stra", "ße\n", "x"]), out=text)
        assert text.getvalue() == "Straße\nx"

        def broken() -> Any:
            yield b'held\n{"_e":1}\ntorn'
            raise RuntimeError("the disk is gone")

        out = io.BytesIO()
        with pytest.raises(RuntimeError, match="the disk is gone"):
            emitter.vacuum(broken(), process="p", nonce=2, out=out)
        assert out.getvalue() == b"held\ntorn"
        assert emitter.vacuum(b'{"_e":1}\n', process="p", nonce=2).report["events"] == 1


VERIFY = {"name", "about", "inputs", "checkpoints", "keys", "options", "expected"}


def seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def written(files: list[dict[str, Any]], folder: Path) -> list[Path]:
    paths = []
    for file in files:
        assert set(file) <= {"name", "lines", "tail"}
        path = folder / file["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(line + "\n" for line in file["lines"]) + file.get("tail", "")
        path.write_bytes(text.encode("utf-8"))
        paths.append(path)
    return paths


def found(findings: Iterable[Mapping[str, Any]], folder: Path) -> list[str]:
    """Findings without their notes, places relative to the folder, in a fixed order."""
    kept = []
    for finding in findings:
        plain = {
            name: finding[name] for name in ("kind", "from", "to", "where") if finding.get(name) is not None
        }
        if "where" in plain:
            plain["where"] = plain["where"].replace(f"{folder}/", "")
        kept.append(json.dumps(plain, sort_keys=True))
    return sorted(kept)


@pytest.mark.parametrize(("case", "name"), cases("verify", VERIFY))
def test_verify(case: dict[str, Any], name: str, tmp_path: Path) -> None:
    given = any("given_base64" in key for key in case["keys"])
    for in_file in (False, True) if given else (False,):
        check_verify(case, tmp_path, in_file=in_file)
    record(name)


def verifying_key(key: dict[str, Any], folder: Path, *, in_file: bool) -> bytes | str:
    assert set(key) <= {"id", "hmac_base64", "spki_pem", "given_base64", "name", "agent"}
    if "hmac_base64" in key:
        return b"hmac:" + base64.b64decode(key["hmac_base64"])
    if "spki_pem" in key:
        return str(key["spki_pem"]).encode()
    given = base64.b64decode(key["given_base64"])
    if not in_file:
        return str(key.get("name", "")).encode() + given
    (folder / "key").write_bytes(given)
    return f"{key.get('name', '')}{folder / 'key'}"


def check_verify(case: dict[str, Any], tmp_path: Path, *, in_file: bool) -> None:
    keys: dict[str, Any] = {
        key["id"]: {"file": verifying_key(key, tmp_path, in_file=in_file), "agent": key.get("agent")}
        for key in case["keys"]
    }
    options = dict(case.get("options", {}))
    assert set(options) <= {"strict", "partial", "edges", "silence", "lanes"}
    if "silence" in options:
        options["silence"] = seconds(options["silence"])
    inputs = written(case["inputs"], tmp_path)
    checkpoints = written(case.get("checkpoints", []), tmp_path)
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises(sinkwell.Error) as caught:
            sinkwell.verify(inputs, keys, checkpoints=checkpoints, **options)
        assert caught.value.kind == expected["error"]
        assert all(part in str(caught.value) for part in expected.get("message", []))
        return
    report: Any = sinkwell.verify(inputs, keys, checkpoints=checkpoints, **options)
    for member in ("verdict", "unsigned", "malformed", "open", "lost", "erased", "envelopes"):
        if member in expected:
            assert report[member] == expected[member], member
    assert found(report["findings"], tmp_path) == found(expected["findings"], tmp_path)
    assert len(report["streams"]) == len(expected["streams"])
    for stream, wanted in zip(report["streams"], expected["streams"], strict=True):
        for member in ("streamid", "verdict", "closed"):
            if member in wanted:
                assert stream[member] == wanted[member], member
        assert found(stream["findings"], tmp_path) == found(wanted["findings"], tmp_path)


@pytest.mark.parametrize(("group", "name"), cases("seal", {"name", "about", "keys", "cases"}))
def test_seal(group: dict[str, Any], name: str, tmp_path: Path) -> None:
    keys: dict[str, Any] = {}
    for key in group["keys"]:
        assert set(key) <= {"id", "hmac_base64", "spki_pem"}
        keys[key["id"]] = verifying_key(key, tmp_path, in_file=False)
    assert group["cases"]
    for i, case in enumerate(group["cases"]):
        assert set(case) <= {"name", "line", "event", "place", "digest", "hash", "signature"}
        path = tmp_path / f"{i}.ndjson"
        path.write_text(case["line"] + "\n", encoding="utf-8")
        head = sinkwell.verify([path], {}, partial=True)["streams"][0].get("head")
        # A signature that is not even base64 is wrong without a key.
        assert head == case["hash"] or (head is None and case["signature"] == "wrong"), case["name"]
        report = sinkwell.verify([path], keys, partial=True)
        kinds = {finding["kind"] for finding in report["streams"][0]["findings"]}
        said = "none" if "unsigned" in kinds else "wrong" if kinds & {"altered", "unknown_key"} else "good"
        assert said == case["signature"], case["name"]
        record(f"{name}/{i}")


INSIDE = {"sampling", "commitments"}
ALONE = "no call of the packages decides this alone; emit/ and content/modes reach it"


@pytest.mark.parametrize(("group", "name"), cases("content", {"group", "cases"}))
def test_content(group: dict[str, Any], name: str) -> None:
    assert group["cases"]
    for i, case in enumerate(group["cases"]):
        if group["group"] in INSIDE:
            record(f"{name}/{i}", ALONE)
            continue
        assert set(case) <= {"name", "request", "answer", "error"}
        if "error" in case:
            with pytest.raises(sinkwell.Error) as caught:
                sinkwell.evaluate_content_capture(case["request"])
            where = {"kind": caught.value.kind, "where": caught.value.where}
            assert where == case["error"], case["name"]
        else:
            assert sinkwell.evaluate_content_capture(case["request"]) == case["answer"], case["name"]
        record(f"{name}/{i}")
    if group["group"] in INSIDE:
        pytest.skip(ALONE)


CONFIG = {"name", "yaml", "json", "mapping", "env", "files", "error", "facts", "warnings"}


@pytest.mark.parametrize(("group", "name"), cases("config", {"about", "cases"}))
def test_config(group: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused configuration is refused alike; what a good one means (`facts`) is the core's own test."""
    assert group["cases"]
    for i, case in enumerate(group["cases"]):
        assert set(case) <= CONFIG
        if "error" not in case:
            record(f"{name}/{i}", "what a good document means shows in no call of the packages")
            continue
        folder = tmp_path / str(i)
        folder.mkdir()
        with monkeypatch.context() as world:
            world.chdir(folder)
            for variable in [name for name in os.environ if name.startswith(("SINKWELL_", "OTEL_"))]:
                world.delenv(variable)
            for variable, value in case.get("env", {}).items():
                world.setenv(variable, value)
            for file, text in case.get("files", {}).items():
                Path(file).write_text(text, encoding="utf-8")
            config: Any = case.get("mapping")
            for kind in ("yaml", "json"):
                if kind in case:
                    config = f"sinkwell.{kind}"
                    Path(config).write_text("\n".join(case[kind]), encoding="utf-8")
            with pytest.raises(sinkwell.Error) as caught:
                sinkwell.Emitter.open(config, manual=True)
        error, expected = caught.value, case["error"]
        assert set(expected) == {"kind", "code", "message", "place"}
        where = (error.kind, error.code, error.where)
        assert where == (expected["kind"], expected["code"], expected["place"]), case["name"]
        assert expected["message"] in error.message, case["name"]
        record(f"{name}/{i}")


SAFE = 2**53


def unsafe(value: Any) -> bool:
    """Whether a number in it is one that RFC 8785 can write and an event must not hold (RFC 7493)."""
    if isinstance(value, dict):
        return any(map(unsafe, value.values()))
    if isinstance(value, list):
        return any(map(unsafe, value))
    return isinstance(value, int | float) and value == int(value) and abs(value) >= SAFE


@pytest.mark.parametrize(("case", "name"), cases("canonical", {"name", "about", "numbers", "texts"}))
def test_canonical(case: dict[str, Any], name: str, tmp_path: Path) -> None:
    """Each number and text as the data of an event: in the sealed line it stands in its canonical form."""
    given: list[tuple[str, Any, str | None]] = []
    for i, number in enumerate(case.get("numbers", [])):
        assert set(number) == {"ieee754", "json"}
        (value,) = struct.unpack(">d", bytes.fromhex(number["ieee754"]))
        form = None if number["json"] is None else f'{{"v":{number["json"]}}}'
        given.append((f"{name}/numbers/{i}", {"v": value}, form))
    for i, text in enumerate(case.get("texts", [])):
        assert set(text) == {"json", "canonical"}
        try:
            pairs: Any = json.loads(text["json"], object_pairs_hook=once)
        except ValueError:
            assert text["canonical"] is None, text
            record(f"{name}/texts/{i}", "a text that is not JSON gives no value to emit")
            continue
        given.append((f"{name}/texts/{i}", pairs, text["canonical"]))
    lanes = [{"id": "out", "sink": {"file": {"path": str(tmp_path / "out.ndjson")}}}]
    wanted = []
    with sinkwell.Emitter.open({"agent": {"id": "a"}, "heartbeat": "off", "lanes": lanes}) as emitter:
        for _, value, form in given:
            if form is None or unsafe(json.loads(form)):
                with pytest.raises(sinkwell.InvalidEvent):
                    emitter.emit("com.example.n", value)
            else:
                emitter.emit("com.example.n", value)
                wanted.append(form)
    lines = (tmp_path / "out.ndjson").read_text(encoding="utf-8").split("\n")[1:-2]
    assert len(lines) == len(wanted)
    for line, form in zip(lines, wanted, strict=True):
        assert f'"data":{form},"datacontenttype"' in line
    for label, _, _ in given:
        record(label)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping, unless two of its keys are equal: no mapping of Python has that."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("two equal keys")
    return mapping


@pytest.mark.parametrize(("file", "name"), cases("spans", {"name", "about", "cases"}))
def test_spans(file: dict[str, Any], name: str) -> None:
    assert file["cases"]
    for i, case in enumerate(file["cases"]):
        record(f"{name}/{i}")
        assert set(case) <= {"name", "span", "events", "error"}, case["name"]
        if (expected := case.get("error")) is None:
            assert sinkwell.events_of_span(case["span"]) == case["events"], case["name"]
            continue
        with pytest.raises(sinkwell.Error) as caught:
            sinkwell.events_of_span(case["span"])
        assert {"kind": caught.value.kind, "where": caught.value.where} == expected, case["name"]


def given(value: Any) -> Any:
    """A record of the vectors with the values that JSON has not."""
    if isinstance(value, list):
        return [given(item) for item in value]
    if not isinstance(value, dict):
        return value
    (tag, text) = next(iter(value.items()), ("", "")) if len(value) == 1 else ("", "")
    if tag == "$double":
        return float(text)
    if tag == "$integer":
        return int(text)
    if tag == "$bytes":
        return base64.b64decode(text)
    return {key: given(member) for key, member in value.items()}


@pytest.mark.parametrize(("file", "name"), cases("logs", {"name", "about", "cases"}))
def test_logs(file: dict[str, Any], name: str) -> None:
    assert file["cases"]
    for i, case in enumerate(file["cases"]):
        record(f"{name}/{i}")
        assert set(case) == {"name", "record", "event"}, case["name"]
        assert sinkwell.event_of_log(given(case["record"])) == case["event"], case["name"]


@pytest.mark.parametrize(("file", "name"), cases("steps", {"name", "about", "cases"}))
def test_steps(file: dict[str, Any], name: str, tmp_path: Path) -> None:
    assert file["cases"]
    for i, case in enumerate(file["cases"]):
        record(f"{name}/{i}")
        assert set(case) == {"name", "calls", "events"}, case["name"]
        path = tmp_path / str(i)
        lane = {"id": "out", "sink": {"file": {"path": str(path)}}}
        deeds: dict[str, Any] = {}
        config = {"agent": {"id": "urn:example:agent"}, "heartbeat": "off", "lanes": [lane]}
        with sinkwell.Emitter.open(config) as emitter:
            for call in case["calls"]:
                tell_step(emitter, call, deeds)
        sealed = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert [told(event) for event in sealed if "origin" not in event] == case["events"], case["name"]


def tell_step(emitter: sinkwell.Emitter, call: dict[str, Any], deeds: dict[str, Any]) -> None:
    ((what, step),) = ((what, step) for what, step in call.items() if what != "error")
    with pytest.raises(sinkwell.Error) if "error" in call else contextlib.nullcontext() as caught:
        if what == "emit":
            emitter.emit_step(step)
        elif what == "begin":
            deeds[step["id"]] = emitter.deed(**emitter._step_intent(step)).__enter__()
        else:
            assert what == "end"
            said, deed = emitter._step_result(step), deeds.pop(step["id"])
            deed.result(said["data"], content=said["content"])
            deed.__exit__(None, None, None)
    if caught is not None:
        assert {"kind": caught.value.kind, "where": caught.value.where} == call["error"]


def told(event: dict[str, Any]) -> dict[str, Any]:
    """What the vectors say of an event: no salt, no time, nothing that was measured."""
    data = {key: value for key, value in event["data"].items() if key != "capture"}
    if data.get("phase") == "result":
        del data["duration_ms"]
    if "content" in data:
        known = {"class", "mediatype", "role", "size"}
        data["content"] = [
            {key: value for key, value in part.items() if key in known} for part in data["content"]
        ]
    names = ("subject", "runid", "causationid", "correlationid", "traceparent", "severitytext")
    return {"type": event["type"], "data": data, **{name: event[name] for name in names if name in event}}


class Scripted:
    """A sink that answers by a script."""

    name = "scripted"
    classes = frozenset({"debug"})

    def __init__(self, case: dict[str, Any]) -> None:
        self.rules = {rule["event"]: rule["answers"] for rule in case["rules"]}
        self.how = case.get("how")
        self.first = case.get("first")
        self.given: dict[int, int] = {}

    def says(self, event: sinkwell.SignedGovernanceEvent) -> Any:
        """What it says of an event now; of sinkwell's own, that it took it."""
        if event.origin == "core" or (n := event.data["n"]) not in self.rules:
            return None
        answers, times = self.rules[n], self.given.get(n, 0)
        self.given[n] = times + 1
        return {
            "taken": None,
            "refuse": sinkwell.Rejected("no"),
            "uncertain": sinkwell.Uncertain("who knows"),
            "retry": OSError("away"),
            "nonsense": {"status": 503},
        }[answers[min(times, len(answers) - 1)]]

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> Any:
        answer = self.says(event)
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedBatch(Scripted):
    """The same for batches."""

    def emit_batch(self, events: list[sinkwell.SignedGovernanceEvent]) -> Any:
        answers = [self.says(event) for event in events]
        first = None
        if any(event.origin != "core" for event in events):
            first, self.first = self.first, None
        if first == "nonsense":
            return {"ok": False}
        if first is not None:
            return answers[1:] if first == "short" else [*answers, None]
        if self.how == "raise" and (raised := next(filter(None, answers), None)):
            raise raised
        return answers


HOST_SINKS = {"name", "about", "config", "events", "cases"}


@pytest.mark.parametrize(("file", "name"), cases("host-sinks", HOST_SINKS))
def test_host_sinks(file: dict[str, Any], name: str) -> None:
    assert file["cases"]
    members = {"name", "form", "rules", "how", "first", "timeout_ms", "counters"}
    for i, case in enumerate(file["cases"]):
        record(f"{name}/{i}")
        assert set(case) <= members, case["name"]
        sink = (ScriptedBatch if case["form"] == "batch" else Scripted)(case)
        emitter = sinkwell.Emitter.open(file["config"], sinks=[sink])
        for n in range(file["events"]):
            emitter.emit("com.example.n", {"n": n})
        emitter.flush(case["timeout_ms"] / 1000)
        counters = emitter.counters()["scripted"]
        got = {name: counters[name] for name in case["counters"]}
        assert got == case["counters"], case["name"]
        emitter.shutdown(0.001)


def test_the_example_is_the_same_in_every_language() -> None:
    env = {**os.environ, "SINKWELL_TESTING": "1"}
    command = [sys.executable, str(ROOT / "examples" / "python" / "agent.py")]
    subprocess.run(command, env=env, check=True, timeout=60)
    folder = ROOT / "target" / "examples"
    events = (folder / "python" / "events.ndjson").read_bytes()
    report = sinkwell.verify(events, {"k1": folder / "python" / "agent.pem.pub"})
    assert (report["verdict"], report["envelopes"]) == ("sound", 13)
    for other in folder.glob("*/events.ndjson"):
        assert other.read_bytes() == events, other
