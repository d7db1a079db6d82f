"""Sinks and signers written in Python."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from sinkwell import SignedGovernanceEvent, SinkClass, SinkHealth, _sinks

FAST = {"retry": {"initial": "1ms", "cap": "2ms"}, "batch": {"linger": "0ms"}}


class Plain:
    """No import of sinkwell is needed for a sink: plain functions, plain strings, no health."""

    name = "plain"
    classes = frozenset({"siem"})

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.threads: set[str] = set()

    def emit(self, event: Any) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.append(event)


class Asynchronous:
    """To the letter of the table."""

    def __init__(self, name: str = "asynchronous") -> None:
        self.name = name
        self.classes = frozenset({SinkClass.AUDIT, SinkClass.SIEM})
        self.events: list[SignedGovernanceEvent] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()

    async def emit(self, event: SignedGovernanceEvent) -> None:
        self.loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        self.events.append(event)

    async def health(self) -> SinkHealth:
        return SinkHealth(healthy=True)


def opened(config: dict[str, Any], *sinks: Any, **more: Any) -> sinkwell.Emitter:
    config = {name: value for name, value in config.items() if name != "lanes"}
    named = [{"id": sink.name, "sink": {"host": sink.name}, **FAST, **more} for sink in sinks]
    return sinkwell.Emitter.open({**config, "lanes": named}, sinks=sinks)


def types(events: Iterable[Any]) -> list[str]:
    return [event.type.removeprefix("dev.sinkwell.") for event in events]


def test_the_protocol() -> None:
    assert isinstance(Asynchronous(), sinkwell.GovernanceEventSink)
    assert not isinstance(Plain(), sinkwell.GovernanceEventSink)
    assert [str(member) for member in SinkClass] == ["siem", "audit", "observability", "debug"]
    assert SinkClass("siem") is SinkClass.SIEM
    assert {"siem"} == {SinkClass.SIEM}
    assert f"{SinkClass.AUDIT}" == "audit"


def test_a_plain_sink_gets_sealed_events(config: dict[str, Any], key: Path) -> None:
    sink = Plain()
    with opened(config, sink) as emitter:
        receipt = emitter.emit("tool.invocation", {"tool": "search"}, run="r-1", subject="tool:search")
        endings = receipt.wait("delivered", timeout=5)
        assert emitter.health()["plain"]["classes"] == ["siem"]
    opened_event, event, closed = sink.events
    assert types(sink.events) == ["audit.chain", "tool.invocation", "audit.chain"]
    assert (opened_event.origin, event.origin) == ("core", None)
    assert (opened_event.prev_hash, event.prev_hash) == (None, opened_event.hash)
    assert closed.data["action"] == "closed"
    ending = endings["plain"]
    assert (event.stream_id, event.sequence) == (ending["streamid"], ending["sequence"])
    assert event.idempotency_key == event.hash == ending["hash"]
    assert event.id == receipt.id
    assert (event.agent_id, event.agentid) == ("urn:test:agent",) * 2
    assert (event.run_id, event.subject, event.tenant_id) == ("r-1", "tool:search", None)
    assert event.data == {"tool": "search"}
    assert event.time.tzinfo is not None
    assert event.recorded_time >= event.time
    assert event.severity_number == 9
    assert event.verify({"k1": f"{key}.pub"})
    assert event.verify({"k1": Path(f"{key}.pub").read_bytes()})
    assert event.verify({"k1": {"file": f"{key}.pub", "agent": "urn:test:*"}})
    assert not event.verify({"k1": {"file": f"{key}.pub", "agent": "urn:other:*"}})
    assert not event.verify({"k2": f"{key}.pub"})
    assert not event.verify({})
    assert (
        sinkwell.verify(b"\n".join(e.bytes for e in sink.events), {"k1": f"{key}.pub"})["verdict"] == "sound"
    )
    assert sink.threads == {"sinkwell-plain"}


def test_an_asynchronous_sink_runs_on_the_callers_loop(config: dict[str, Any]) -> None:
    sink = Asynchronous()

    async def main() -> None:
        async with opened(config, sink) as emitter:
            receipts = [emitter.emit("com.example.n", {"n": n}) for n in range(100)]
            endings = await asyncio.gather(*(receipt.delivered() for receipt in receipts))
            assert {ending["asynchronous"]["state"] for ending in endings} == {"delivered"}
            assert sink.loops == {asyncio.get_running_loop()}

    asyncio.run(main())
    assert [event.data["n"] for event in sink.events if event.origin is None] == list(range(100))
    assert sink.events[-1].data["action"] == "closed"


def test_an_asynchronous_sink_without_a_loop_has_a_private_one(config: dict[str, Any]) -> None:
    sink = Asynchronous()
    with opened(config, sink) as emitter:
        emitter.emit("com.example.n").wait("delivered", timeout=5)
    assert len(sink.loops) == 1


def test_a_wait_that_holds_up_the_loop_does_not_wait_for_itself(config: dict[str, Any]) -> None:
    sink = Asynchronous()

    async def main() -> None:
        with opened(config, sink) as emitter:
            emitter.emit("com.example.n")
            assert emitter.flush(timeout=5)["asynchronous"]["pending"] == 0

    asyncio.run(main())
    assert types(sink.events) == ["audit.chain", "com.example.n", "audit.chain"]


def test_a_loop_that_closes_hands_its_sinks_over(config: dict[str, Any]) -> None:
    sink = Asynchronous()

    async def main() -> sinkwell.Emitter:
        emitter = opened(config, sink)
        await emitter.emit("com.example.n", {"n": 1}).delivered()
        return emitter

    with asyncio.run(main()) as emitter:
        emitter.emit("com.example.n", {"n": 2}).wait("delivered", timeout=5)
    assert [event.data["n"] for event in sink.events if event.origin is None] == [1, 2]
    assert len(sink.loops) == 2


class Raising(Plain):
    """Raises what it is told to, a number of times."""

    def __init__(self, error: BaseException, times: int, name: str = "raising") -> None:
        super().__init__()
        self.name = name
        self.error = error
        self.left = times

    def emit(self, event: Any) -> None:
        if event.origin is None and self.left:
            self.left -= 1
            raise self.error
        super().emit(event)


class Speechless(Exception):
    """Its words cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("CANARY")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CANARY"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        Speechless(),
        OSError("caf\udce9"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_sink_raises_is_tried_again(config: dict[str, Any], error: BaseException) -> None:
    sink, other = Raising(error, 2), Plain()
    with opened(config, sink, other) as emitter:
        endings = emitter.emit("com.example.n").wait("delivered", timeout=10)
        assert endings["raising"]["state"] == endings["plain"]["state"] == "delivered"
        assert emitter.counters()["raising"]["retried"] >= 2
    assert types(e for e in sink.events if e.origin is None) == ["com.example.n"]
    # A record says the type, never the text.
    assert "CANARY" not in "".join(event.bytes.decode() for event in other.events)


def test_a_rejection_is_for_good(config: dict[str, Any]) -> None:
    sink = Raising(sinkwell.Rejected("CANARY"), 1)
    with opened(config, sink) as emitter:
        first, second = emitter.emit("com.example.n", {"n": 1}), emitter.emit("com.example.n", {"n": 2})
        assert first.wait("delivered", timeout=5)["raising"]["state"] == "lost"
        assert first.wait("delivered", timeout=5)["raising"]["reason"] == "rejected"
        assert second.wait("delivered", timeout=5)["raising"]["state"] == "delivered"
        emitter.flush(timeout=5)
        assert emitter.counters()["raising"]["rejected_by"] == {"rejected": 1}
    breach = [event for event in sink.events if event.type.endswith("policy.breach")]
    assert breach[0].data["reason"] == "rejected"
    assert "CANARY" not in "".join(event.bytes.decode() for event in sink.events)


def test_a_sink_that_hangs_holds_up_nobody_else(config: dict[str, Any]) -> None:
    release = threading.Event()

    class Hanging(Plain):
        name = "hanging"

        def emit(self, event: Any) -> None:
            if event.origin is None:
                release.wait(timeout=30)
            super().emit(event)

    hanging, other = Hanging(), Plain()
    failed = threading.Event()
    emitter = opened(config, hanging, other, timeout="50ms")
    try:
        receipt = emitter.emit("com.example.n")
        with pytest.raises(sinkwell.Timeout):
            receipt.wait("delivered", timeout=0.2)
        while emitter.health()["hanging"]["state"] != "failed":
            failed.wait(0.01)
        assert emitter.health()["plain"]["state"] == "healthy"
        emitter.emit("com.example.more")
        emitter.flush(timeout=0.5)
        assert "com.example.more" in types(other.events)
        assert emitter.health()["hanging"]["failure"] == "timeout"
    finally:
        release.set()
        emitter.shutdown(timeout=5)


class Batches:
    """The second form: batches, with an answer for each event."""

    name = "batches"
    classes = frozenset({SinkClass.OBSERVABILITY})

    def __init__(self, answer: Callable[[list[Any]], Any]) -> None:
        self.answer = answer
        self.batches: list[list[Any]] = []

    async def emit(self, event: Any) -> None:
        raise AssertionError("batches are preferred")

    async def emit_batch(self, events: list[Any]) -> Any:
        self.batches.append(events)
        return self.answer(events)

    async def health(self) -> SinkHealth:
        return SinkHealth(healthy=True)


def test_batches(config: dict[str, Any]) -> None:
    def answer(events: list[Any]) -> Any:
        return [sinkwell.Rejected() if event.subject == "no" else None for event in events]

    sink = Batches(answer)
    assert isinstance(sink, sinkwell.BatchGovernanceEventSink)
    with opened(config, sink) as emitter:
        good = emitter.emit("com.example.n", subject="yes")
        bad = emitter.emit("com.example.n", subject="no")
        assert good.wait("delivered", timeout=5)["batches"]["state"] == "delivered"
        assert bad.wait("delivered", timeout=5)["batches"]["state"] == "lost"


@pytest.mark.parametrize("nonsense", [7, "ok", [None] * 99, [7], object()])
def test_nonsense_is_a_failed_delivery(config: dict[str, Any], nonsense: Any) -> None:
    answers = iter([nonsense, nonsense])
    sink = Batches(lambda events: next(answers, None))
    with opened(config, sink) as emitter:
        assert emitter.emit("com.example.n").wait("delivered", timeout=10)["batches"]["state"] == "delivered"
        assert emitter.counters()["batches"]["pending"] == 0


def test_emitting_inside_a_sink_never_waits(config: dict[str, Any]) -> None:
    class Echo(Plain):
        name = "echo"
        emitter: sinkwell.Emitter
        said: sinkwell.Receipt | None = None

        def emit(self, event: Any) -> None:
            if event.origin is None and self.said is None:
                self.said = self.emitter.emit("com.example.echo")
            super().emit(event)

    sink = Echo()
    with opened(config, sink, queue={"events": 2}) as emitter:
        sink.emitter = emitter
        emitter.emit("com.example.n").wait("delivered", timeout=5)
        assert sink.said is not None
        assert sink.said.lanes["echo"] in ("enqueued", "dropped: reentrant")


def test_added_later(emitter: sinkwell.Emitter) -> None:
    sink = Plain()
    emitter.add_sink(sink, id="later", overflow="block", queue={"events": 64})
    receipt = emitter.emit("com.example.n")
    assert set(receipt.lanes) == {"file", "later"}
    receipt.wait("delivered", timeout=5)
    assert types(sink.events)[-1] == "com.example.n"
    with pytest.raises(sinkwell.InvalidConfig):
        emitter.add_sink(sink, id="later")
    with pytest.raises(sinkwell.InvalidConfig, match="overflow"):
        emitter.add_sink(Plain(), id="other", overflwo="block")


def test_given_without_a_lane(config: dict[str, Any]) -> None:
    sink = Plain()
    with sinkwell.Emitter.open(config, sinks=[sink]) as emitter:
        assert set(emitter.emit("com.example.n").lanes) == {"file", "plain"}


def test_a_required_class(config: dict[str, Any]) -> None:
    config["governance"] = {"required_sinks": [{"class": "siem", "on_unhealthy": "fail_closed"}]}
    with pytest.raises(sinkwell.RequiredSinkUnavailable, match="siem"):
        sinkwell.Emitter.open(config)
    with sinkwell.Emitter.open(config, sinks=[Plain()]) as emitter:
        emitter.ensure_ready()


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("where", ["emit", "health", "signer", "words", "stops"])
def test_what_ends_a_program_ends_no_loop_that_other_sinks_run_on(
    config: dict[str, Any], raised: type[BaseException], where: str
) -> None:
    class Words(Exception):
        def __str__(self) -> str:
            raise raised

    class Ends(Asynchronous):
        tries = 0

        async def emit(self, event: SignedGovernanceEvent) -> None:
            self.tries += 1
            if self.tries == 2:
                if where != "stops":
                    raise raised if where == "emit" else Words if where == "words" else OSError
                asyncio.get_running_loop().stop()
                await asyncio.sleep(0)
            self.events.append(event)

        async def health(self) -> SinkHealth:
            raise raised if where == "health" else OSError

    tries = []

    async def sign(inputs: Sequence[bytes]) -> Sequence[bytes]:
        tries.append(len(inputs))
        if where == "signer" and len(tries) == 1:
            raise raised
        return [b"x" * 32 for _ in inputs]

    # Without a loop of their own: both are on the private one.
    ends, other = Ends("ends"), Asynchronous("other")
    config["key"] = {"id": "k1", "alg": "hmac-sha256", "signer": "host"}
    more = {**FAST, "timeout": "200ms", "breaker": {"failures": 100, "open": "1ms"}}
    config["lanes"] = [{"id": sink.name, "sink": {"host": sink.name}, **more} for sink in (ends, other)]
    with sinkwell.Emitter.open(config, sinks=[ends, other], signer=sign) as emitter:
        receipts = [emitter.emit("com.example.n") for _ in range(3)]
        for receipt in receipts:
            endings = receipt.wait("delivered", timeout=30)
            assert {ending["state"] for ending in endings.values()} == {"delivered"}


class Elsewhere(Asynchronous):
    """Says for each event whether it came on the thread that made the sink."""

    def __init__(self) -> None:
        super().__init__("soc")
        self.home = threading.get_ident()
        self.threads: list[tuple[str, bool]] = []

    async def emit(self, event: SignedGovernanceEvent) -> None:
        await super().emit(event)
        self.threads.append((types([event])[0], threading.get_ident() == self.home))


def required(config: dict[str, Any], *lanes: dict[str, Any]) -> dict[str, Any]:
    """With lanes that nobody waits for to the end."""
    mine = {"id": "soc", "sink": {"host": "soc"}, "timeout": "1h", **FAST}
    governance = {"required_sinks": [{"class": "siem", "on_unhealthy": "fail_closed"}]}
    return {**config, "governance": governance, "lanes": [mine, *lanes]}


def run_bounded(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it on a loop of another thread, which is left behind where it waits for itself."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert not failed, failed


def test_a_required_sink_of_the_loop_that_opens_answers_on_another_meanwhile(config: dict[str, Any]) -> None:
    config = required(config)

    async def main() -> None:
        for opened_by in ("open", "configure"):
            sink = Elsewhere()
            emitter = getattr(sinkwell, opened_by, sinkwell.Emitter.open)(config, sinks=[sink])
            assert sink.threads == [("audit.chain", False)]
            emitter.emit("com.example.n")
            await emitter.ashutdown()
            # Then it is at home again.
            assert sink.threads[1:] == [("com.example.n", True), ("audit.chain", True)]
        # The next use opens it again, and what another thread opens is waited for in the same way.
        sinkwell.emit("com.example.again")
        await sinkwell.ashutdown()
        beside = threading.Thread(target=sinkwell.emit, args=("com.example.beside",))
        beside.start()
        sinkwell.emit("com.example.here")
        beside.join()
        await sinkwell.ashutdown()
        assert {"com.example.again", "com.example.beside", "com.example.here"} <= set(types(sink.events))

    run_bounded(main)


@pytest.mark.parametrize("why", ["nothing is required", "another sink of the class will do"])
def test_a_sink_that_need_not_be_waited_for_stays_on_its_loop(config: dict[str, Any], why: str) -> None:
    other = Plain()
    if why == "nothing is required":
        config = {**required(config), "governance": {}}
    else:
        config = required(config, {"id": "plain", "sink": {"host": "plain"}, **FAST})

    async def main() -> None:
        for opened_by in ("open", "configure"):
            sink = Elsewhere()
            sinks = [sink] if why == "nothing is required" else [sink, other]
            emitter = getattr(sinkwell, opened_by, sinkwell.Emitter.open)(config, sinks=sinks)
            await emitter.ashutdown()
            assert sink.threads == [("audit.chain", True)] * 2

    run_bounded(main)


def test_manual(config: dict[str, Any]) -> None:
    for sink in (Plain(), Asynchronous()):
        configuration = {**config, "lanes": []}

        async def main(sink: Any = sink, configuration: dict[str, Any] = configuration) -> None:
            with sinkwell.Emitter.open(configuration, sinks=[sink], manual=True) as emitter:
                emitter.emit("com.example.n")
                assert emitter.queued(sink.name) == 1
                drained = emitter.drain(sink.name)
                assert (drained.count, drained.records) == (1, [])
                assert emitter.queued(sink.name) == 0
                with pytest.raises(sinkwell.InvalidArgument, match="no lane"):
                    emitter.drain("other")

        asyncio.run(main())
        assert types(sink.events)[1] == "com.example.n"


def test_health_has_the_words_of_a_sink_that_fails(config: dict[str, Any]) -> None:
    class Sick(Plain):
        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            raise OSError("no route")

        async def health(self) -> sinkwell.SinkHealth:
            return sinkwell.SinkHealth(healthy=False, detail="the cable is out")

    with sinkwell.Emitter.open({**config, "lanes": []}, sinks=[Sick()], manual=True) as emitter:
        emitter.emit("com.example.n")
        emitter.drain("plain")
        assert str(emitter.health()["plain"]["detail"]).endswith("; the cable is out")


def test_a_wait_within_a_wait_leaves_the_loop_parked_until_the_outer_one_ends() -> None:
    async def main() -> None:
        home = id(asyncio.get_running_loop())
        parked = _sinks._process().parked
        with _sinks.parked():
            with _sinks.parked():
                assert home in parked
            assert home in parked
        assert home not in parked

    asyncio.run(main())


def test_a_plug_in(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Plain()

    @dataclasses.dataclass
    class Entry:
        name: str

        def load(self) -> Any:
            return lambda: sink

    monkeypatch.setattr("sinkwell._sinks.entry_points", lambda group: [Entry("other"), Entry("defender")])
    config["lanes"] = [{"id": "d", "sink": {"host": "defender"}}]
    with sinkwell.Emitter.open(config) as emitter:
        emitter.emit("com.example.n").wait("delivered", timeout=5)
    assert "com.example.n" in types(sink.events)


def test_a_plug_in_that_emits_while_the_default_emitter_opens_for_it_is_answered(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = []

    class Entry:
        name = "defender"

        def load(self) -> Any:
            try:
                sinkwell.emit("com.example.inside")
            except sinkwell.Error as refused:
                answers.append(type(refused))
            return Plain

    monkeypatch.setattr("sinkwell._sinks.entry_points", lambda group: [Entry()])
    config["lanes"] = [{"id": "d", "sink": {"host": "defender"}}]
    # It waited for itself, for ever.
    opening = threading.Thread(target=sinkwell.configure, args=(config,), daemon=True)
    opening.start()
    opening.join(30)
    assert not opening.is_alive()
    assert answers == [sinkwell.Closed]
    sinkwell.shutdown()


class Kms:
    """A key kept elsewhere. HMAC, as the standard library has it."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    def sign(self, inputs: Sequence[bytes]) -> list[bytes]:
        import hashlib
        import hmac

        if self.failures:
            self.failures -= 1
            raise ConnectionError("CANARY")
        return [hmac.digest(b"k" * 32, signing_input, hashlib.sha256) for signing_input in inputs]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_signer_of_the_hosts(config: dict[str, Any], tmp_path: Path, asynchronous: bool) -> None:
    kms = Kms(failures=1)

    async def sign(inputs: Sequence[bytes]) -> list[bytes]:
        await asyncio.sleep(0)
        return kms.sign(inputs)

    config["lanes"][0]["breaker"] = {"failures": 5, "open": "10ms"}
    config["key"] = {"id": "kms", "alg": "hmac-sha256", "signer": "host"}
    with sinkwell.Emitter.open(config, signer=sign if asynchronous else kms) as emitter:
        emitter.emit("com.example.n").wait("delivered", timeout=20)
    report = sinkwell.verify(tmp_path / "events.ndjson", {"kms": b"hmac:" + b"k" * 32})
    assert (report["verdict"], report["unsigned"]) == ("sound", 0)


@pytest.mark.parametrize(("mode", "most"), [("each", 40), ("batch", 8)])
def test_a_signer_gets_many_messages_of_one_stream_in_one_call(
    config: dict[str, Any], tmp_path: Path, mode: str, most: int
) -> None:
    kms, calls = Kms(), list[list[bytes]]()

    def sign(inputs: Sequence[bytes]) -> list[bytes]:
        calls.append([bytes(one) for one in inputs])
        return kms.sign(inputs)

    config["lanes"][0]["batch"] = {"events": 32, "linger": "1h"}
    config["key"] = {"id": "kms", "alg": "hmac-sha256", "signer": "host", "sign": mode}
    with sinkwell.Emitter.open(config, signer=sign) as emitter:
        for n in range(32):
            emitter.emit("com.example.n", {"n": n})
    messages = [one for call in calls for one in call]
    assert all(len(one) == 49 and one.startswith(b"sinkwell-seal-v1\n") for one in messages)
    assert len(messages) <= most
    assert len(calls) <= 8
    assert max(map(len, calls)) >= (32 if mode == "each" else 1)
    report = sinkwell.verify(tmp_path / "events.ndjson", {"kms": b"hmac:" + b"k" * 32})
    assert (report["verdict"], report["unsigned"]) == ("sound", 0)


def test_a_change_of_key(config: dict[str, Any], key: Path, tmp_path: Path) -> None:
    other = tmp_path / "hmac.key"
    other.write_bytes(b"h" * 32)
    other.chmod(0o600)
    with sinkwell.Emitter.open(config) as emitter:
        emitter.emit("com.example.n", {"n": 1}).wait("delivered", timeout=5)
        emitter.change_key({"id": "k2", "hmac_sha256": {"file": str(other)}})
        emitter.emit("com.example.n", {"n": 2})
        with pytest.raises(sinkwell.InvalidArgument):
            emitter.change_key({"id": "k2", "hmac_sha256": {"file": str(other)}})
    keys: dict[str, Any] = {"k1": f"{key}.pub", "k2": f"hmac:{other}"}
    assert sinkwell.verify(tmp_path / "events.ndjson", keys)["verdict"] == "sound"
