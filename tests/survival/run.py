"""The ends of a process, and what becomes of its events at each: `make survival`, and a few of them in `make test`.

Every program emits numbered events, each noted in a file once its call has returned, and ends in the way of its row. A
receiver of our own takes what arrives. Nobody calls `shutdown` or `flush`. A row holds, by product: how many were emitted,
how many arrived, how many the receiver was told are lost, and how many are lost in silence. With a journal, the next
process with the same configuration runs before anything is counted; and of the events that were asked for, none whose
receipt said `journaled` may be missing.

Exit 1, with a line for each, where a bar is not held (`bars`).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sinkwell
from receiver import Receiver

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = HERE / "programs"
PAGE = ROOT / "docs" / "SURVIVAL.md"
PRODUCTS = {"sinkwell": "sinkwell", "opentelemetry": "OpenTelemetry SDK", "langfuse": "langfuse"}
# The longest that a step of a row may take before the row has failed.
PATIENCE = 120
# What `docker stop` gives a container.
GRACE = 10


class Skipped(Exception):
    """This machine cannot run the row; why."""


@dataclass
class Run:
    """One row under one product."""

    product: str
    journal: bool
    count: int
    freeze: float
    folder: Path
    receiver: Receiver
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "LANGFUSE_"))
        }
        return {
            **kept,
            "PYTHONPATH": str(PROGRAMS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SINKWELL_CONFIG": "sinkwell.yaml",
            "SURVIVAL_PRODUCT": self.product,
            "SURVIVAL_JOURNAL": str(int(self.journal)),
            "SURVIVAL_ENDPOINT": f"http://127.0.0.1:{self.receiver.port}",
            "SURVIVAL_NOTES": str(self.folder / "notes"),
            "SURVIVAL_COUNT": str(self.count),
            "SURVIVAL_SINKWELL": (ROOT / "bindings-node" / "dist" / "index.mjs").as_uri(),
            **more,
        }

    def start(self, *command: str, **more: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment(**more), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Whatever is left of the programs, which are process groups of their own."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def until(self, process: subprocess.Popen[bytes], what: str, reached: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not reached():
            if process.poll() is not None:
                raise RuntimeError(f"ended with {process.returncode} before {what}: {self.log()}")
            if time.monotonic() > end:
                raise RuntimeError(f"waited {PATIENCE} s until {what}: {self.log()}")
            time.sleep(0.02)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def notes(self) -> tuple[set[int], set[int]]:
        """The numbers that were emitted, and those whose receipts said `journaled`."""
        found: dict[str, set[int]] = {"emitted": set(), "journaled": set()}
        path = self.folder / "notes"
        for line in path.read_text().splitlines() if path.exists() else []:
            what, _, n = line.partition(" ")
            found[what].add(int(n))
        return found["emitted"], found["journaled"]


# --- the rows -------------------------------------------------------------------------------------------


def ends(run: Run, *command: str, status: tuple[int, ...]) -> None:
    process = run.start(*command)
    try:
        found = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"did not end within {PATIENCE} s: {run.log()}") from None
    if found not in status:
        raise RuntimeError(f"ended with {found}: {run.log()}")


def plain(how: str, *status: int) -> Callable[[Run], None]:
    return lambda run: ends(run, sys.executable, str(PROGRAMS / "plain.py"), how, status=status)


def node(program: str, how: str, *status: int) -> Callable[[Run], None]:
    return lambda run: ends(run, "node", str(PROGRAMS / program), how, status=status)


def terminated(*command: str) -> Callable[[Run], None]:
    """SIGTERM, once all is emitted."""

    def row(run: Run) -> None:
        process = run.start(*command)
        run.until(process, "all is emitted", (run.folder / "ready").exists)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)

    return row


def first_process(*command: str) -> Callable[[Run], None]:
    """SIGTERM as process 1 of a namespace of its own; SIGKILL after the time that a container is given."""

    def row(run: Run) -> None:
        unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
        if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False).returncode != 0:
            raise Skipped("no namespaces of processes here (unshare --user --pid)")
        outside = run.start(*unshare, *command)
        run.until(outside, "all is emitted", (run.folder / "ready").exists)
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        try:
            outside.wait(GRACE)
        except subprocess.TimeoutExpired:
            # Nobody handles it, and a process 1 has no default action.
            os.kill(int(children[0]), signal.SIGKILL)
            outside.wait(PATIENCE)

    return row


def frozen(run: Run) -> None:
    """Stopped while the receiver holds a batch, which is answered meanwhile; then it goes on and returns."""
    process = run.start(sys.executable, str(PROGRAMS / "plain.py"), "freeze")
    run.until(process, "half is emitted", (run.folder / "halfway").exists)
    run.until(process, "a batch is under way", run.receiver.holding.is_set)
    process.send_signal(signal.SIGSTOP)
    run.receiver.go_on.set()
    time.sleep(run.freeze)
    process.send_signal(signal.SIGCONT)
    (run.folder / "thawed").touch()
    if process.wait(PATIENCE) != 0:
        raise RuntimeError(run.log())


def served(command: list[str], *, bind: Callable[[int], list[str]]) -> Callable[[Run], None]:
    """A server that answers all requests and is then stopped."""

    def row(run: Run) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = run.start(sys.executable, "-m", *command, *bind(port), PYTHONPATH=str(PROGRAMS))

        def answered(n: int) -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{n}", timeout=60) as answer:
                    return answer.status == 200
            except ConnectionError:
                return False
            except urllib.error.URLError as error:
                if isinstance(error.reason, ConnectionError):
                    return False
                raise

        for n in range(run.count // 10):
            run.until(server, f"request {n} is answered", lambda n=n: answered(n))
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE)

    return row


def celery(run: Run) -> None:
    send = f"import tasks\nfor n in range({run.count // 10}): tasks.step.delay(n)"
    ends(run, sys.executable, "-c", send, status=(0,))
    worker = run.start(
        sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "2"
    )
    run.until(worker, "all tasks are done", lambda: len(list(run.folder.glob("done-*"))) == run.count // 10)
    worker.send_signal(signal.SIGTERM)
    worker.wait(PATIENCE)


def pool(method: str) -> Callable[[Run], None]:
    return lambda run: ends(run, sys.executable, str(PROGRAMS / "pool.py"), method, status=(0,))


def many(run: Run) -> None:
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(PROGRAMS / "many.py")]
    ends(run, sys.executable, *command, status=(0,))


@dataclass(frozen=True)
class Row:
    """One end of a process."""

    language: str
    name: str
    run: Callable[[Run], None]
    # Whether the program is let end: then nothing may be lost, with or without a journal.
    orderly: bool = True
    count: int = 1000
    hold: bool = False


PLAIN = [sys.executable, str(PROGRAMS / "plain.py")]
NODE_PLAIN = ["node", str(PROGRAMS / "plain.mjs")]
GUNICORN = ["gunicorn", "--workers", "2", "--no-control-socket", "wsgi:app"]
ROWS = [
    Row("Python", "return", plain("return", 0)),
    Row("Python", "exception", plain("exception", 1)),
    Row("Python", "`sys.exit`", plain("sys.exit", 3)),
    Row("Python", "`os._exit`", plain("os._exit", 3), orderly=False),
    Row("Python", "SIGTERM", terminated(*PLAIN, "SIGTERM")),
    Row("Python", "SIGTERM as process 1", first_process(*PLAIN, "SIGTERM")),
    Row("Python", "SIGKILL", plain("SIGKILL", -signal.SIGKILL), orderly=False),
    Row("Python", "gunicorn", served(GUNICORN, bind=lambda port: ["--bind", f"127.0.0.1:{port}"])),
    Row("Python", "gunicorn --preload",
        served([*GUNICORN, "--preload"], bind=lambda port: ["--bind", f"127.0.0.1:{port}"])),
    Row("Python", "uvicorn --workers 2",
        served(["uvicorn", "asgi:app", "--workers", "2"], bind=lambda port: ["--port", str(port)])),
    Row("Python", "Celery, prefork", celery),
    Row("Python", "multiprocessing.Pool, fork", pool("fork")),
    Row("Python", "multiprocessing.Pool, forkserver", pool("forkserver")),
    Row("Python", "multiprocessing.Pool, spawn", pool("spawn")),
    Row("Python", "frozen in mid-batch (SIGSTOP)", frozen, hold=True),
    Row("Python", "pytest that opens 500 emitters", many, count=500),
    Row("Node", "return", node("plain.mjs", "return", 0)),
    Row("Node", "exception", node("plain.mjs", "exception", 1)),
    Row("Node", "`process.exit`", node("plain.mjs", "process.exit", 3)),
    Row("Node", "SIGTERM", terminated(*NODE_PLAIN, "SIGTERM")),
    Row("Node", "SIGTERM as process 1", first_process(*NODE_PLAIN, "SIGTERM")),
    Row("Node", "SIGKILL", node("plain.mjs", "SIGKILL", -signal.SIGKILL), orderly=False),
    Row("Node", "worker_threads", node("threads.mjs", "", 0)),
    Row("Node", "cluster, SIGTERM to the primary", terminated("node", str(PROGRAMS / "cluster.mjs"))),
]  # fmt: skip
# What `make test` runs, of sinkwell alone: an orderly end, the two that are not, a fork, and a freeze.
QUICK = {"return", "`os._exit`", "SIGKILL", "multiprocessing.Pool, fork", "frozen in mid-batch (SIGSTOP)"}


# --- running one ----------------------------------------------------------------------------------------


@dataclass
class Cell:
    """What became of the events."""

    emitted: int
    arrived: int
    declared: int
    # Of sinkwell alone: streams of which nothing proves the end, streams that nobody closed (the next process may have
    # said where they end), and the verdict.
    open: int
    unclosed: int
    verdict: str
    journaled: int
    journaled_missing: int
    seconds: float

    @property
    def silent(self) -> int:
        return max(0, self.emitted - self.arrived - self.declared)


CONFIG = """
agent: {{ id: "urn:example:survivor" }}
handle_signals: true
key: {{ id: k1, ed25519: {{ file: "{key}" }} }}
{journal}lanes:
  - {{ id: collector, {durable}sink: {{ otlp: {{ endpoint: "http://127.0.0.1:{port}", protocol: http/protobuf }} }} }}
"""

NEXT = """
import sinkwell
emitter = sinkwell.Emitter.open("sinkwell.yaml")
emitter.flush(timeout=60)
emitter.shutdown(timeout=60)
"""


def run_one(row: Row, product: str, journal: bool, freeze: float, key: Path) -> Cell:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="survival-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        receiver = Receiver(hold=row.hold)
        stack.callback(receiver.close)
        (folder / "sinkwell.yaml").write_text(
            CONFIG.format(
                port=receiver.port,
                key=key,
                journal="journal: { dir: journal }\n" if journal else "",
                durable="durable: true, " if journal else "",
            )
        )
        run = Run(product, journal, row.count, freeze, folder, receiver)
        stack.callback(run.end)
        row.run(run)
        if journal:
            receiver.go_on.set()
            ends(run, sys.executable, "-c", NEXT, status=(0,))
        emitted, journaled = run.notes()
        arrived = set(receiver.numbers)
        report = {"lost": {}, "open": 0, "streams": [], "verdict": ""}
        if receiver.lines:
            (folder / "received.ndjson").write_text("".join(line + "\n" for line in receiver.lines))
            report = sinkwell.verify([folder / "received.ndjson"], keys={"k1": f"{key}.pub"})
        return Cell(
            emitted=len(emitted),
            # An event that was sent before its call had returned may not have been noted.
            arrived=len(emitted & arrived),
            declared=sum(report["lost"].values()),
            open=report["open"],
            unclosed=sum(not stream["closed"] for stream in report["streams"]),
            verdict=report["verdict"],
            journaled=len(journaled),
            journaled_missing=len(journaled - arrived),
            seconds=time.monotonic() - begun,
        )


def bars(row: Row, journal: bool, cell: Cell) -> Iterator[str]:
    """What sinkwell must hold in every row."""
    where = f"{row.language}, {row.name}, {'with' if journal else 'without'} a journal"
    if cell.emitted == 0:
        yield f"{where}: nothing was emitted"
    if cell.verdict not in ("sound", "incomplete"):
        yield f"{where}: verify says {cell.verdict or 'nothing, as nothing arrived'}"
    if row.orderly and cell.silent:
        yield f"{where}: {cell.silent} events are lost in silence after an orderly end"
    if journal and not cell.journaled:
        yield f"{where}: no receipt said journaled"
    if cell.journaled_missing:
        yield f"{where}: {cell.journaled_missing} events whose receipt said journaled are missing"
    if cell.silent and not (cell.unclosed if journal else cell.open):
        yield f"{where}: {cell.silent} events are lost, and no stream is open"


# --- the tables -----------------------------------------------------------------------------------------


def table(rows: list[Row], cells: dict[tuple[Row, str], Cell | str], products: list[str]) -> str:
    heads = ["", "end", *(PRODUCTS[product] for product in products), "sinkwell's streams"]
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for row in rows:
        written = []
        for product in products:
            cell = cells.get((row, product), "not run")
            if isinstance(cell, str):
                written.append(cell)
                continue
            lost = f"**{cell.silent}**" if cell.silent else "0"
            written.append(f"{cell.emitted} · {cell.arrived} · {cell.declared} · {lost}")
        own = cells.get((row, "sinkwell"))
        streams = ""
        if isinstance(own, Cell):
            streams = f"{own.unclosed} open" if own.unclosed else "closed"
            if own.journaled:
                streams += f"; {own.journaled - own.journaled_missing} of {own.journaled} journaled"
        mark = "" if row.orderly else " †"
        lines.append(f"| {row.language} | {row.name}{mark} | " + " | ".join(written) + f" | {streams} |")
    return "\n".join(lines) + "\n"


def write(page: Path, name: str, text: str) -> None:
    """Puts a table between its marks."""
    begin, end = f"<!-- survival: {name} -->\n", "<!-- end -->\n"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(before + begin + text + end + after)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="a few rows, of sinkwell alone")
    arguments.add_argument("--freeze", type=float, default=60, help="seconds that a process is stopped for")
    arguments.add_argument("--only", default="", help="rows whose language and name have this in them")
    arguments.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    arguments.add_argument("--without-node", action="store_true")
    given = arguments.parse_args()
    products = ["sinkwell"] if given.quick else list(PRODUCTS)
    rows = [
        row
        for row in ROWS
        if (not given.quick or (row.language == "Python" and row.name in QUICK))
        and given.only in f"{row.language}, {row.name}"
        and not (given.without_node and row.language == "Node")
    ]
    # All of a table's runs; the long ones, which only wait, first and beside the others.
    runs = [(row, product, False) for row in rows for product in products]
    runs += [(row, "sinkwell", True) for row in rows]
    runs.sort(key=lambda one: not one[0].hold)
    found: dict[tuple[Row, str, bool], Cell | str] = {}
    failures: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="survival-") as keys,
        concurrent.futures.ThreadPoolExecutor(4) as threads,
    ):
        key = Path(keys) / "agent.pem"
        new_key = [sys.executable, "-m", "sinkwell", "keys", "new", str(key)]
        subprocess.run(new_key, check=True, stdout=subprocess.DEVNULL)
        begun = {threads.submit(run_one, *one, given.freeze, key): one for one in runs}
        for done in concurrent.futures.as_completed(begun):
            row, product, journal = begun[done]
            what = f"{row.language}, {row.name}: {PRODUCTS[product]}{', with a journal' if journal else ''}"
            try:
                cell = done.result()
            except Skipped as skipped:
                print(f"{what}: SKIPPED ({skipped})", flush=True)
                found[row, product, journal] = "not run here"
                if os.environ.get("SINKWELL_REQUIRE") == "all":
                    failures.append(f"{what}: {skipped}")
                continue
            except Exception as error:
                print(f"not ok {what}: {error}", flush=True)
                found[row, product, journal] = "failed"
                failures.append(f"{what}: {error}")
                continue
            found[row, product, journal] = cell
            broken = list(bars(row, journal, cell)) if product == "sinkwell" else []
            failures += broken
            print(
                f"{'not ok' if broken else 'ok'} {what}: {cell.emitted} emitted, {cell.arrived} arrived, "
                f"{cell.declared} declared lost, {cell.silent} lost in silence, {cell.unclosed} open, "
                f"{cell.journaled_missing} of {cell.journaled} journaled missing ({cell.seconds:.1f} s)",
                flush=True,
            )
    for journal in (False, True):
        name = "with a journal" if journal else "without a journal"
        # Only sinkwell has a journal: the others' cells are those of the first table.
        cells = {
            (row, product): found.get((row, product, journal and product == "sinkwell"), "not run")
            for row in rows
            for product in products
        }
        text = table(rows, cells, products)
        print(f"\n{name}\n\n{text}")
        if given.write:
            write(PAGE, name, text)
    for failure in failures:
        print(f"not ok {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
