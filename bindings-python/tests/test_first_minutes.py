"""What a newcomer meets: messages that say what to do, help that says something, values as libraries give them."""

from __future__ import annotations

import dataclasses
import inspect
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sinkwell

Lines = Callable[[], list[dict[str, Any]]]


def host_events(lines: Lines) -> list[dict[str, Any]]:
    return [line for line in lines() if line.get("origin") is None]


def test_the_bridges_are_there_by_name(run: Callable[..., Any]) -> None:
    for name in ("logging.Handler()", "structlog.Processor()", "opentelemetry.SpanProcessor()", "celery"):
        done = run(f"import sinkwell\nprint(sinkwell.{name})")
        assert done.returncode == 0, done.stderr
    done = run("import sinkwell\nsinkwell.loging")
    assert "has no attribute 'loging'" in done.stderr


@pytest.mark.parametrize("name", ["opentelemetry", "celery", "structlog"])
def test_a_missing_extra_says_how_it_is_installed(run: Callable[..., Any], name: str) -> None:
    block = f"import sys, sinkwell\nsys.modules[{name!r}] = None\n"
    done = run(block + f"sinkwell.{name}")
    if name != "structlog":
        assert f"pip install 'sinkwell[{name}]'" in done.stderr, done.stderr


def test_an_emitter_is_opened_by_open() -> None:
    given: list[list[Any]] = [[], ["sinkwell.yaml"], [{"lanes": []}]]
    for arguments in given:
        with pytest.raises(TypeError, match=r"sinkwell\.Emitter\.open\(config\)"):
            sinkwell.Emitter(*arguments)


@pytest.mark.parametrize(
    ("sink", "says"),
    [
        (
            type("Defender", (), {"name": "d", "emit": print}),
            "is a class; give an instance of it, as Defender()",
        ),
        (type("Defender", (), {"name": "d"})(), "Defender has no emit(event)"),
        (type("Defender", (), {"emit": print})(), "Defender has no name"),
    ],
)
def test_what_is_no_sink_says_what_it_lacks(config: dict[str, Any], sink: Any, says: str) -> None:
    with pytest.raises(sinkwell.InvalidArgument) as caught:
        sinkwell.Emitter.open(config, sinks=[sink])
    assert says in caught.value.message
    with sinkwell.Emitter.open(config) as emitter, pytest.raises(sinkwell.InvalidArgument):
        emitter.add_sink(sink)


def test_a_public_key_is_none_to_seal_with(config: dict[str, Any], key: Path) -> None:
    config["key"]["ed25519"]["file"] = f"{key}.pub"
    with pytest.raises(sinkwell.Key, match="this is a public key"):
        sinkwell.Emitter.open(config)


def test_a_timeout_names_the_lane(config: dict[str, Any]) -> None:
    go_on = threading.Event()

    class Held:
        name = "held"
        classes = ("debug",)

        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            go_on.wait(30)

    with sinkwell.Emitter.open(config, sinks=[Held()]) as emitter:
        receipt = emitter.emit("com.example.n")
        with pytest.raises(sinkwell.Timeout, match='lane "held"'):
            receipt.wait("delivered", timeout=0.01)
        go_on.set()


def test_every_public_callable_and_argument_is_documented() -> None:
    """As `help` shows them: a text, and of a function with arguments what each is or an example of it."""
    bare = []
    for name in sinkwell.__all__:
        value = getattr(sinkwell, name)
        if inspect.isclass(value):
            members = [(f"{name}.{own}", member) for own, member in inspect.getmembers(value)]
            bare += [own for own, member in members if _is_ours(member) and not own.split(".")[-1].startswith("_")
                     and not inspect.getdoc(member)]  # fmt: skip
        elif callable(value) and len(inspect.getdoc(value) or "") < 20:
            bare.append(name)
    assert not bare
    text = inspect.getdoc(sinkwell.Emitter.emit) or ""
    for argument in ("type", "data", "subject", "run", "turn", "attempt", "severity", "terminal", "content", "agent",
                     "tenant", "time", "id", "causation", "correlation", "trace", "child"):  # fmt: skip
        assert f"``{argument}``" in text, argument
    assert "InvalidEvent" in text
    assert "Backpressure" in text
    assert "Emitter.emit" in (inspect.getdoc(sinkwell.emit) or "")
    assert "``severity``" in (sinkwell.emit.__doc__ or "")


def _is_ours(member: object) -> bool:
    return str(getattr(member, "__module__", None) or getattr(member, "__qualname__", "")).startswith(
        ("sinkwell", "Emitter", "Receipt")
    )


class Throws(Mapping[str, Any]):
    """A mapping whose values cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise LookupError("no")

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class ThrowsLater(Throws):
    """A mapping of which the second value cannot be read."""

    def __getitem__(self, key: str) -> Any:
        return 1 if key == "a" else super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "b"])


class BadIndex:
    def __index__(self) -> int:
        raise ValueError("no")


class BadKey:
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("data", "where", "cause"),
    [
        ({"m": Throws()}, "data.m", LookupError),
        ({"a": [1, ThrowsLater()]}, "data.a[1]", LookupError),
        (Throws(), "data", LookupError),
        ({"a": [1, BadIndex()]}, "data.a[1]", ValueError),
        ({"m": {BadKey(): 1}}, "data.m.<BadKey>", ValueError),
    ],
)
def test_a_value_that_raises_while_it_is_read_is_refused_at_its_place(
    emitter: sinkwell.Emitter, lines: Lines, data: Any, where: str, cause: type[Exception]
) -> None:
    with pytest.raises(sinkwell.InvalidEvent) as caught:
        emitter.emit("com.example.bad", data)
    assert caught.value.where == where
    assert isinstance(caught.value.__cause__, cause)
    emitter.emit("com.example.good")
    emitter.flush()
    assert [event["type"] for event in host_events(lines)] == ["com.example.good"]


def test_ctrl_c_while_a_value_is_read_is_ctrl_c(emitter: sinkwell.Emitter) -> None:
    class Interrupted(Throws):
        def __getitem__(self, key: str) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        emitter.emit("com.example.n", {"m": Interrupted()})


def test_arrays_and_numbers_of_other_libraries_are_their_values(
    emitter: sinkwell.Emitter, lines: Lines
) -> None:
    numpy = pytest.importorskip("numpy")
    import array

    emitter.emit("com.example.n", {
        "array": numpy.array([[1, 2], [3, 4]]), "empty": numpy.array([]), "float": numpy.float32(0.5),
        "int": numpy.int64(7), "bool": numpy.bool_(True), "own": array.array("d", [1.5]), "text": numpy.str_("é"),
    })  # fmt: skip
    for value in (numpy.array([float("nan")]), numpy.array([object()]), numpy.datetime64("2026-01-01")):
        with pytest.raises(sinkwell.InvalidEvent) as caught:
            emitter.emit("com.example.n", {"v": value})
        assert (caught.value.where or "").startswith("data.v")
    emitter.flush()
    (event,) = host_events(lines)
    assert event["data"] == {
        "array": [[1, 2], [3, 4]], "empty": [], "float": 0.5, "int": 7, "bool": True, "own": [1.5], "text": "é",
    }  # fmt: skip


def test_arrays_and_numbers_of_other_libraries_are_their_values_in_log_records_too() -> None:
    numpy = pytest.importorskip("numpy")
    import array

    def said(value: Any) -> Any:
        event = sinkwell.event_of_log({"attributes": {"v": value}})
        return json.loads(event["content"][0]["text"])["v"], event["data"].get("respelled", 0)

    for value, plain in [
        (numpy.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]), (numpy.array([]), []), (numpy.array(5), 5),
        (numpy.float32(0.5), 0.5), (numpy.int64(7), 7), (numpy.bool_(True), True), (numpy.str_("é"), "é"),
        (array.array("d", [1.5]), [1.5]),
    ]:  # fmt: skip
        assert said(value) == (plain, 0), repr(value)
    # What has no JSON form is spelled, and no value costs the record.
    assert said(numpy.array([float("nan"), 1.0])) == (["NaN", 1.0], 1)
    assert said(numpy.datetime64("2026-01-01")) == ("2026-01-01", 1)
    text, respelled = said(numpy.zeros(10_000_000))
    assert (text, respelled) == ("[0. 0. 0. ... 0. 0. 0.]", 1)

    class Raises:
        def tolist(self) -> Any:
            raise ValueError("no")

    assert said(Raises()) == ("[unreadable: Raises]", 1)
    assert said(Raises)[0].startswith("<class ")


@dataclasses.dataclass
class Details:
    cached_tokens: int
    audio_tokens: int | None = None


@dataclasses.dataclass
class Usage:
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Details


class Model:
    def model_dump(self) -> None: ...


def test_a_value_without_json_form_is_refused_with_what_to_send_instead() -> None:
    emitter = sinkwell.Emitter.open({"agent": {"id": "a"}, "lanes": ["null"]}, manual=True)
    for value, remedy in (
        ({1}, "a set has no JSON form; send a list: sorted(…)"),
        (Details(4), "a Details has no JSON form; send a dict: dataclasses.asdict(…)"),
        (Model(), 'a Model has no JSON form; send a dict: its model_dump(mode="json")'),
        (b"", "send it as a string"),
    ):
        with pytest.raises(sinkwell.InvalidEvent) as refused:
            emitter.emit("com.example.n", {"value": value})
        assert remedy in str(refused.value)
    content: Any
    for content in ("words", sinkwell.part("prompt", text="words")):
        with pytest.raises(
            sinkwell.InvalidEvent, match=r"content: must be a list of parts; make them with sinkwell.part"
        ):
            emitter.emit("com.example.n", content=content)
    emitter.shutdown()


def test_arguments_of_another_form_are_refused_by_name() -> None:
    keys: Any = ["agent.pem.pub"]
    with pytest.raises(sinkwell.InvalidArgument, match=r'keys: .* as \{"k1": "agent.pem.pub"\}'):
        sinkwell.verify(b"", keys=keys)
    with pytest.raises(sinkwell.InvalidArgument, match="tool"):
        sinkwell.tool(5)  # type: ignore[call-overload]


class Response:
    """As a client library has one: attributes, and what must never be read."""

    def __init__(self, usage: object) -> None:
        self.usage = usage
        self.model = "gpt-x"
        self.choices = [{"message": {"content": "words"}}]
        self.raw = b"bytes"

    @property
    def parsed(self) -> object:
        raise AssertionError("nobody asks for it")


def test_model_usage_takes_what_a_client_library_returns() -> None:
    usage = Usage(10, 5, 15, Details(cached_tokens=4))
    expected = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cached_tokens": 4}
    plain = dataclasses.asdict(usage)
    for given in (usage, plain, Response(usage), Response(plain), {"usage": usage, "model": "gpt-x"}):
        data = sinkwell.model_usage("openai", given)
        assert {name: data[name] for name in expected} == expected
        assert data.get("model") in (None, "gpt-x")
    with pytest.raises(sinkwell.InvalidArgument):
        sinkwell.model_usage("openai", object())


def test_model_usage_takes_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Metadata(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        prompt_token_count: int | None = None
        candidates_token_count: int | None = None
        total_token_count: int | None = None

    class Answer(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        model_config = pydantic.ConfigDict(extra="allow", protected_namespaces=())
        usage_metadata: Metadata
        model_version: str

    answer = Answer(
        usage_metadata=Metadata(prompt_token_count=3, candidates_token_count=4), model_version="gemini-x"
    )
    data = sinkwell.model_usage("google", answer)
    assert (data["input_tokens"], data["output_tokens"], data["model"]) == (3, 4, "gemini-x")


CLOSED_PORT = """
import socket, sinkwell
{logging}
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
sw = sinkwell.Emitter.open({{"agent": {{"id": "a"}}, "lanes": [
    {{"id": "collector",
      "sink": {{"otlp": {{"endpoint": f"http://127.0.0.1:{{port}}", "protocol": "http/protobuf"}}}}}}]}})
for n in range(1000):
    sw.emit("com.example.n", {{"n": n}})
sw.flush(timeout=1)
{end}
"""


@pytest.mark.parametrize(
    "logging_setup",
    [
        "",
        "import logging; logging.basicConfig()",
        "import logging; logging.getLogger('sinkwell').addHandler(logging.NullHandler())",
        "import logging; logging.getLogger('sinkwell').setLevel(logging.CRITICAL)",
    ],
    ids=["nothing", "basicConfig", "NullHandler", "level"],
)
@pytest.mark.parametrize("end", ["", "sw.shutdown(timeout=1)"], ids=["exit", "shutdown"])
def test_a_dead_endpoint_does_not_end_without_a_word(
    run: Callable[..., Any], logging_setup: str, end: str
) -> None:
    done = run(CLOSED_PORT.format(logging=logging_setup, end=end))
    assert done.returncode == 0, done.stderr
    said = done.stderr
    assert said.count("is degraded (network)") == 1, said
    assert said.count("ended with 1000 events undelivered (shutdown)") == 1, said


def test_losses_come_through_the_hosts_logger(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    class Refuses:
        name = "refuses"
        classes = ("debug",)

        def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
            raise sinkwell.Rejected("no")

    with caplog.at_level(logging.WARNING, "sinkwell"):
        emitter = sinkwell.Emitter.open({**config, "lanes": []}, sinks=[Refuses()])
        for _ in range(50):
            emitter.emit("com.example.n")
        emitter.shutdown()
        # They come by way of a thread of ours.
        end = time.monotonic() + 10
        while "(rejected)" not in caplog.text and time.monotonic() < end:
            time.sleep(0.01)
    said = [record.getMessage() for record in caplog.records if "(rejected)" in record.getMessage()]
    assert 1 <= len(said) <= 3, caplog.text
    assert 'lane "refuses"' in said[0]
    assert "lost (rejected)" in said[0]


@pytest.mark.parametrize(
    "call", ["os.execv(sys.executable, [sys.executable, '-c', ''])", "os.execlp('true', 'true')",
             "os.execve(sys.executable, [sys.executable, '-c', ''], os.environ)"],
)  # fmt: skip
def test_a_process_that_becomes_another_delivers_first(
    run: Callable[..., Any], config: dict[str, Any], lines: Lines, call: str
) -> None:
    config["lanes"][0]["batch"] = {"linger": "1h"}
    program = f"""
import os, sys, sinkwell
sw = sinkwell.Emitter.open({config!r})
try:
    os.execv("/nowhere", ["nowhere"])
except FileNotFoundError:
    pass
for n in range(100):
    sw.emit("com.example.n", {{"n": n}})
{call}
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert [event["data"]["n"] for event in host_events(lines)] == list(range(100))


def test_a_child_that_becomes_another_process_leaves_its_parents_events_alone(
    run: Callable[..., Any], config: dict[str, Any], lines: Lines
) -> None:
    program = f"""
import os, sys, sinkwell
with sinkwell.Emitter.open({config!r}) as sw:
    sw.emit("com.example.n", {{"n": 1}})
    if (child := os.fork()) == 0:
        os.execv(sys.executable, [sys.executable, "-c", ""])
    os.waitpid(child, 0)
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert len(host_events(lines)) == 1


def test_the_otel_bridge_works_without_an_emitter_and_sees_what_is_not_sampled(
    run: Callable[..., Any], config: dict[str, Any], lines: Lines, tmp_path: Path
) -> None:
    config["lanes"][0]["batch"] = {"linger": "1h"}
    program = f"""
import sinkwell
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
sinkwell.configure({config!r})
sampler = sinkwell.opentelemetry.RecordAllSampler(ALWAYS_OFF)
provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
provider.add_span_processor(sinkwell.opentelemetry.SpanProcessor())
class Throws(dict):
    def items(self):
        raise ValueError
with provider.get_tracer("t").start_as_current_span("tool", attributes={{"gen_ai.operation.name": "execute_tool",
                                                     "gen_ai.tool.name": "search"}}):
    pass
provider.shutdown()
print(open({str(tmp_path / "events.ndjson")!r}).read().count("tool.invocation"))
"""
    done = run(program)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_the_command_is_as_the_module(key: Path) -> None:
    command = [sys.executable, "-m", "sinkwell", "doctor", "--help"]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def test_the_types_of_data_are_those_of_the_schemas(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    written = tmp_path / "types.py"
    subprocess.run([sys.executable, str(root / "scripts/gen_types.py"), str(written)], check=True, timeout=60)
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--quiet",
        "--config",
        str(root.parent / "ruff.toml"),
        str(written),
    ]
    subprocess.run(ruff, check=True, timeout=60)
    assert written.read_text() == (root / "python/sinkwell/types.py").read_text(), (
        "run bindings-python/scripts/gen_types.py"
    )
