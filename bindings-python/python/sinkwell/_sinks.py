"""Sinks and signers written in Python.

Guarantees: a sink's code runs on the event loop that was running where it was given (``open``,
``add_sink``), or, when it is not asynchronous, on a thread of its own; one call at a time, in the order of
the stream. Whatever it does (raise, hang, answer nonsense, drop the task, close the loop) is an answer to
its lane, and to nobody else.
"""

from __future__ import annotations

import _queue
import asyncio
import enum
import inspect
import queue
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from . import _native
from ._errors import InvalidArgument
from ._event import SignedGovernanceEvent
from ._process import follow_into_executors, inside_sink, new_event_loop, start_thread


class SinkClass(str, enum.Enum):
    """What a sink is for."""

    SIEM = "siem"
    AUDIT = "audit"
    OBSERVABILITY = "observability"
    DEBUG = "debug"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class SinkHealth:
    """How a sink says it is."""

    healthy: bool
    detail: str | None = None


class Rejected(Exception):
    """Raised by a sink that refuses an event for good: it is declared lost, and not tried again."""


class Uncertain(Exception):
    """Raised by a sink that will never know whether an event arrived: it is not tried again, and declared as
    maybe lost.
    """


@runtime_checkable
class GovernanceEventSink(Protocol):
    """A destination for sealed events. A sink needs no import of this package: the shape is enough.

    Plain functions are accepted beside ``async`` ones, plain strings as classes, and ``health`` may be left
    out. ``emit`` returns nothing. Raising means that the event is tried again; raising ``Rejected``, that it
    never is; ``Uncertain``, that nobody will know; returning an exception means the same. Anything else is no
    answer: the event is tried again, and the lane's health says so. A sink with ``idempotent = True`` says
    that a repeat does no harm: its lane's ``in_flight`` may then be more than one batch.
    """

    @property
    def name(self) -> str:
        """What the sink is called: its lane's id, unless a lane names another."""
        ...

    @property
    def classes(self) -> frozenset[SinkClass]:
        """What the sink is for."""
        ...

    async def emit(self, event: SignedGovernanceEvent) -> None:
        """Take one event."""
        ...

    async def health(self) -> SinkHealth:
        """Say how the sink is."""
        ...


@runtime_checkable
class BatchGovernanceEventSink(GovernanceEventSink, Protocol):
    """A sink that takes batches: the optional second form."""

    async def emit_batch(
        self, events: Sequence[SignedGovernanceEvent]
    ) -> Sequence[BaseException | None] | None:
        """Take a batch, oldest first. ``None``: all are there; else an answer for each event, in order:
        ``None``, or the exception that ``emit`` would have raised. Raising is about the batch as one: after
        ``Rejected`` it is halved until the offender is alone. Anything else is no answer: the batch is tried again.
        """
        ...


@runtime_checkable
class Signer(Protocol):
    """A signer of the host's (a KMS, an HSM), for ``key: {id, alg, signer: host}``."""

    def sign(self, inputs: Sequence[bytes]) -> Sequence[bytes] | Awaitable[Sequence[bytes]]:
        """One raw signature per signing input, in order."""
        ...


Run = Callable[[], Coroutine[Any, Any, None]]
Answer = tuple[str, str, str] | None


def _failure(error: BaseException) -> tuple[str, str, str]:
    """What it means for the event, what a record may say of it, what only the host may read."""
    name = type(error).__qualname__
    outcome = "retry"
    if isinstance(error, _NoAnswer):
        return "nonsense", str(error), ""
    if isinstance(error, Rejected):
        outcome = "refused"
    elif isinstance(error, Uncertain):
        outcome = "uncertain"
    return outcome, name, _told(error)


def _told(error: BaseException) -> str:
    """Its type and its words, as far as they can be had: a lane must get an answer whatever was raised."""
    name = type(error).__qualname__
    try:
        words = str(error)
    except BaseException:
        return name
    return f"{name}: {words}".encode("utf-8", "replace").decode()


# --- where a sink's code runs -----------------------------------------------------------------------------


class _Call:
    """A call that has not begun. Whoever claims it first runs it; dropped by all, its job answers itself."""

    def __init__(self, loop: _Loop, run: Run) -> None:
        self._loop = loop
        self._run: Run | None = run

    def claim(self) -> Run | None:
        run, self._run = self._run, None
        return run

    def __del__(self) -> None:
        # Its loop was closed, or its task was cancelled, before the first step, as `asyncio.run` does at its end.
        # Nothing has been done yet, so another loop does it: it is not a failure of the sink's.
        if self._run is not None and not sys.is_finalizing():
            self._loop.elsewhere(self._run)

    def begin(self) -> None:
        task = asyncio.get_running_loop().create_task(_Steps(self, self._loop.tasks))
        # A loop that stops before the first step drops it, and with it the call: nothing to complain of.
        task._log_destroy_pending = False  # type: ignore[attr-defined]


class _Steps(Coroutine[Any, Any, None]):
    """What a call's task runs: it claims the call with its first step, which not every loop gets to."""

    def __init__(self, call: _Call, tasks: set[asyncio.Task[None] | None]) -> None:
        self._call = call
        self._tasks = tasks
        self._body: Coroutine[Any, Any, None] | None = None

    def send(self, value: Any) -> Any:
        if self._body is None:
            if (run := self._call.claim()) is None:
                raise StopIteration
            self._body = run()
            # From now on it waits for others, and a loop keeps such tasks only weakly.
            task = asyncio.current_task()
            self._tasks.add(task)
            if task is not None:
                task.add_done_callback(self._tasks.discard)
        return self._body.send(value)

    def throw(self, *error: Any) -> Any:
        if self._body is None:
            raise error[0]
        return self._body.throw(*error)

    def close(self) -> None:
        if self._body is not None:
            self._body.close()

    def __await__(self) -> Any:
        raise TypeError("run by a task, not awaited")


class _Loop:
    """An event loop of the host's, as long as it runs; else a private one."""

    def __init__(self, event_loop: asyncio.AbstractEventLoop | None) -> None:
        self._home = event_loop
        # Made now: at the end of the interpreter no thread can be started any more.
        self._private = _private_loop()
        self._process = _process()
        # Weakly: a loop that is closed drops its callbacks, and the calls with them.
        self._waiting: weakref.WeakSet[_Call] = weakref.WeakSet()
        self.tasks: set[asyncio.Task[None] | None] = set()
        if event_loop is not None:
            _process().homes.setdefault(id(event_loop), []).append(self)

    def submit(self, run: Run) -> None:
        """Have ``run``, which makes a coroutine, run on the loop. From any thread."""
        call = _Call(self, run)
        if self._home is not None and self._is_taking(self._home):
            self._waiting.add(call)
            with suppress(RuntimeError):  # Closed in the meantime.
                self._home.call_soon_threadsafe(call.begin)
            # A loop that has stopped since it was asked keeps a call that it never begins.
            if self._is_taking(self._home):
                return
        self._private.call_soon_threadsafe(call.begin)

    def is_here(self) -> bool:
        """Whether the calling thread runs it."""
        try:
            return asyncio.get_running_loop() is self._home
        except RuntimeError:
            return False

    @staticmethod
    def _is_taking(home: asyncio.AbstractEventLoop) -> bool:
        return home.is_running() and id(home) not in _process().parked

    def elsewhere(self, run: Run) -> None:
        """Have what no loop began run on the private loop, but not in a child of the process that asked for it."""
        if _process() is self._process:
            self._private.call_soon_threadsafe(_Call(self, run).begin)

    def move_from_stopped(self) -> None:
        """Have what has not begun run on the private loop, if the home loop has stopped."""
        if self._home is not None and not self._home.is_running():
            self.move()

    def move(self) -> None:
        """Have what has not begun run on the private loop: the home loop is held up."""
        for call in list(self._waiting):
            self._private.call_soon_threadsafe(call.begin)

    def close(self) -> None:
        if self._home is not None:
            all_homes = _process().homes
            homes = all_homes.get(id(self._home), [])
            if self in homes:
                homes.remove(self)
            if not homes:
                all_homes.pop(id(self._home), None)


class _Process:
    """What this process has. A forked child starts with nothing: threads and loops of its parent do not exist
    there, and its locks may be held for ever.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.homes: dict[int, list[_Loop]] = {}
        self.parked: set[int] = set()
        self.private: asyncio.AbstractEventLoop | None = None


_processes: dict[int, _Process] = {}


def _process() -> _Process:
    """This process's. Not by a hook of Python's: a C library forks without one."""
    generation = _native._generation()
    return _processes.get(generation) or _processes.setdefault(generation, _Process())


@contextmanager
def parked() -> Iterator[None]:
    """Around a wait of ours that holds up this thread: if it runs an event loop, sinks at home there run on
    the private loop meanwhile, so that the wait does not wait for itself. If it runs none, sinks whose loop has
    stopped run there.
    """
    process = _process()
    try:
        event_loop = asyncio.get_running_loop()
    except RuntimeError:
        for loop in [loop for homes in list(process.homes.values()) for loop in homes]:
            loop.move_from_stopped()
        yield
        return
    home = id(event_loop)
    # What runs for such a wait may wait in turn; the first to begin is the last to end.
    outer = home in process.parked
    process.parked.add(home)
    try:
        for loop in process.homes.get(home, []):
            loop.move()
        yield
    finally:
        if not outer:
            process.parked.discard(home)


def leave() -> Callable[[], None]:
    """As ``parked``, for the native half: until what is given back is called."""
    away = ExitStack()
    away.enter_context(parked())
    return away.close


def _private_loop() -> asyncio.AbstractEventLoop:
    """The loop of sinks that have none: one daemon thread for all of them."""
    process = _process()
    with process.lock:
        if process.private is None:
            private = process.private = new_event_loop()
            start_thread(lambda: _run(private), "sinkwell-loop")
        return process.private


def _run(private: asyncio.AbstractEventLoop) -> None:
    """Run the private loop for as long as there is a process: neither what a sink raises to end the program
    (``SystemExit``), which a loop lets through, nor one that stops its loop ends it for the others.
    """
    while not private.is_closed():
        with suppress(BaseException):
            private.run_forever()


class _Thread:
    """A thread for a sink that is not asynchronous."""

    def __init__(self, name: str) -> None:
        # Not by the name that gevent replaces: lanes put jobs in from threads that have no hub.
        self._jobs: queue.SimpleQueue[Run | None] = _queue.SimpleQueue()
        start_thread(self._run, f"sinkwell-{name}")

    def submit(self, run: Run) -> None:
        self._jobs.put(run)

    def _run(self) -> None:
        while (run := self._jobs.get()) is not None:
            coroutine = run()
            try:
                # A plain function never suspends, so the first step is all of it.
                coroutine.send(None)
            except StopIteration:
                continue
            except BaseException:
                continue
            finally:
                del run
            coroutine.close()

    def close(self) -> None:
        self._jobs.put(None)


# --- sinks ------------------------------------------------------------------------------------------------


async def _settled(value: Any, asynchronous: bool) -> Any:
    if not inspect.isawaitable(value):
        return value
    if asynchronous:
        return await value
    # A plain function that gave an awaitable, on the sink's thread: it runs on the private loop.
    return asyncio.run_coroutine_threadsafe(_await(value), _private_loop()).result()


async def _await(value: Awaitable[Any]) -> Any:
    return await value


class SinkRunner:
    """Runs one lane's calls of a sink. Made once per process that uses the emitter."""

    def __init__(self, sink: Any, event_loop: asyncio.AbstractEventLoop | None) -> None:
        follow_into_executors()
        self._sink = sink
        self._batch = getattr(sink, "emit_batch", None)
        asynchronous = inspect.iscoroutinefunction(self._batch or sink.emit)
        self._asynchronous = asynchronous
        self._place: _Loop | _Thread = _Loop(event_loop) if asynchronous else _Thread(str(sink.name))

    def deliver(self, job: _native.DeliverJob) -> None:
        """Take a batch; answers later, through the job."""
        self._place.submit(lambda: self._deliver(job))

    def health(self, job: _native.HealthJob) -> None:
        """Ask how the sink is; answers later, through the job."""
        self._place.submit(lambda: self._health(job))

    def is_held(self) -> bool:
        """Whether the calling thread runs the loop that the sink is at home on, and so holds it up while it waits."""
        return isinstance(self._place, _Loop) and self._place.is_here()

    def close(self) -> None:
        """No job will come any more."""
        self._place.close()

    async def _deliver(self, job: _native.DeliverJob) -> None:
        inside_sink.set(True)
        if self._batch is not None:
            await self._deliver_batch(self._batch, job)
            return
        answers: list[Answer] = []
        for event in [SignedGovernanceEvent(envelope) for envelope in job.events]:
            try:
                given = await _settled(self._sink.emit(event), self._asynchronous)
                answers.append(None if given is None else _failure(_exception(given)))
            except BaseException as error:
                answers.append(_failure(error))
                if not isinstance(error, Exception):
                    job.answer_first(answers)
                    raise
            if answers[-1] is not None and answers[-1][0] in ("retry", "nonsense"):
                # What comes after it must not overtake it.
                break
        job.answer_first(answers)

    async def _deliver_batch(
        self, batch: Callable[[list[SignedGovernanceEvent]], Any], job: _native.DeliverJob
    ) -> None:
        events = [SignedGovernanceEvent(envelope) for envelope in job.events]
        try:
            given = await _settled(batch(events), self._asynchronous)
            if given is None:
                job.answer_as_one(None)
            elif isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
                job.nonsense(type(given).__qualname__)
            else:
                job.answer_each([None if one is None else _failure(_exception(one)) for one in given])
        except _NoAnswer as error:
            job.nonsense(str(error))
        except BaseException as error:
            job.answer_as_one(_failure(error))
            if not isinstance(error, Exception):
                raise

    async def _health(self, job: _native.HealthJob) -> None:
        inside_sink.set(True)
        ask = getattr(self._sink, "health", None)
        if ask is None:
            job.answer(True, None)
            return
        try:
            health = await _settled(ask(), self._asynchronous)
            job.answer(bool(health.healthy), None if health.detail is None else str(health.detail))
        except BaseException as error:
            job.answer(False, _told(error))
            if not isinstance(error, Exception):
                raise


class _NoAnswer(Exception):
    """A sink answered something that is none."""


def _exception(answer: Any) -> BaseException:
    if isinstance(answer, BaseException):
        return answer
    raise _NoAnswer(f"{type(answer).__qualname__}, which is neither None nor an exception")


class SignerRunner:
    """Runs the calls of a host's signer."""

    def __init__(self, signer: Any) -> None:
        sign = getattr(signer, "sign", signer)
        self._sign = sign
        self._asynchronous = inspect.iscoroutinefunction(sign)
        self._place: tuple[_Process, _Loop | _Thread] | None = None

    def sign(self, job: _native.SignJob) -> None:
        """Sign a batch; answers later, through the job."""
        process = _process()
        with process.lock:
            held = self._place
            if held is None or held[0] is not process:
                held = self._place = (process, _Loop(None) if self._asynchronous else _Thread("signer"))
        held[1].submit(lambda: self._run(job))

    async def _run(self, job: _native.SignJob) -> None:
        inside_sink.set(True)
        try:
            given = await _settled(self._sign(job.inputs), self._asynchronous)
            job.answer([bytes(signature) for signature in given])
        except BaseException as error:
            job.fail(_told(error))
            if not isinstance(error, Exception):
                raise


# --- how the native half gets them ------------------------------------------------------------------------


@dataclass(frozen=True)
class Described:
    """A sink, as the native half takes it."""

    name: str
    classes: list[str]
    lane: Mapping[str, Any] | None
    runner: Callable[[], SinkRunner]
    idempotent: bool


def _check(sink: Any) -> None:
    """Say of what is no sink what it lacks, where it is given and not when its first event comes."""
    kind = type(sink).__name__
    if isinstance(sink, type):
        raise InvalidArgument(
            f"{sink.__name__} is a class; give an instance of it, as {sink.__name__}()", "sinks"
        )
    if not (callable(getattr(sink, "emit", None)) or callable(getattr(sink, "emit_batch", None))):
        raise InvalidArgument(f"{kind} has no emit(event); a sink has `name`, `classes` and `emit`", "sinks")
    if not isinstance(getattr(sink, "name", None), str):
        raise InvalidArgument(f"{kind} has no name; a sink has `name`, `classes` and `emit`", "sinks")


def describe(sink: Any, lane: Mapping[str, Any] | None = None, *, manual: bool = False) -> Described:
    """Describe a sink of the host's, to run on the loop that runs here."""
    _check(sink)
    try:
        home = asyncio.get_running_loop()
    except RuntimeError:
        home = None
    # A manual emitter is drained by the very thread that would have to run the loop.
    event_loop = None if manual else home
    process = _process()

    def runner() -> SinkRunner:
        # The loop that ran in the parent runs in no child of it.
        return SinkRunner(sink, event_loop if _process() is process else None)

    classes = [str(getattr(cls, "value", cls)) for cls in getattr(sink, "classes", ())]
    idempotent = getattr(sink, "idempotent", False) is True
    return Described(str(sink.name), sorted(classes), lane, runner, idempotent)


def plugin(name: str) -> Described | None:
    """The sink that an installed package brings under this name (entry point ``sinkwell.sinks``), for a lane
    that names a host sink which the program did not give.
    """
    for entry in entry_points(group="sinkwell.sinks"):
        if entry.name == name:
            brought = entry.load()
            sink = brought if hasattr(brought, "emit") and not isinstance(brought, type) else brought()
            described = describe(sink)
            return replace(described, name=name)
    return None
