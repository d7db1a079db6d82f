"""Real servers and workers: what is kept when they are stopped as they are stopped in operation."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import hosts
import pytest
from hosts import environment, get, port, wait_for


@pytest.fixture
def folder(tmp_path: Path, key: Path) -> Path:
    """Where the host runs, with a configuration and its key."""
    (tmp_path / "sinkwell.yaml").write_text(hosts.CONFIG)
    return tmp_path


# Requests that take until the server has been told to stop.
WSGI = """
import os, time
import sinkwell

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        sinkwell.emit("com.example.n", {"n": 1})
        open("begun", "w").close()
        while not os.path.exists("go on"):
            time.sleep(0.01)
        sinkwell.emit("com.example.n", {"n": 2})
        sinkwell.emit("run.completed", {"outcome": "ok"}, run="r1")
    start_response("200 OK", [])
    return [b"done"]
"""

ASGI = """
import asyncio, os
import sinkwell

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/slow":
        sinkwell.emit("com.example.n", {"n": 1})
        open("begun", "w").close()
        while not os.path.exists("go on"):
            await asyncio.sleep(0.01)
        sinkwell.emit("com.example.n", {"n": 2})
        sinkwell.emit("run.completed", {"outcome": "ok"}, run="r1")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
"""

GUNICORN = [
    "gunicorn",
    "--workers",
    "1",
    "--graceful-timeout",
    "30",
    "app:app",
    "--no-control-socket",
    "--bind",
]
UVICORN = ["uvicorn", "app:app", "--port"]


@pytest.mark.parametrize(
    ("host", "program", "command", "stopping", "status"),
    [
        ("gunicorn", WSGI, GUNICORN, "Handling signal: term", 0),
        ("gunicorn --preload", WSGI, [*GUNICORN[:1], "--preload", *GUNICORN[1:]], "Handling signal: term", 0),
        ("uvicorn", ASGI, UVICORN, "Shutting down", -signal.SIGTERM),
    ],
    ids=["gunicorn", "gunicorn --preload", "uvicorn"],
)
def test_a_server_that_is_stopped_finishes_its_requests(
    folder: Path, host: str, program: str, command: list[str], stopping: str, status: int
) -> None:
    (folder / "app.py").write_text(program)
    number = port()
    address = f"127.0.0.1:{number}"
    run = [sys.executable, "-m", *command, str(number) if command is UVICORN else address]
    log = folder / "log"
    with log.open("w") as file:
        server = subprocess.Popen(run, cwd=folder, env=environment(), stdout=file, stderr=file)
    try:
        wait_for(server, "it answers", lambda: get(f"http://{address}/") == "done")
        request = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"import urllib.request as u; print(u.urlopen('http://{address}/slow').read())",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(server, "the request has begun", (folder / "begun").exists)
        server.send_signal(signal.SIGTERM)
        wait_for(server, "it stops", lambda: stopping in log.read_text())
        (folder / "go on").touch()
        assert request.communicate(timeout=60)[0] == "b'done'\n"
        assert server.wait(60) == status
    finally:
        server.kill()
    found = hosts.row(folder, host, "SIGTERM within a request", "real", 3)
    assert found == ([1, 2], 1, True, "sound")


def test_celery_prefork_closes_its_streams(folder: Path) -> None:
    (folder / "work.py").write_text("""
import celery, sinkwell, sinkwell.celery

for name in ("in", "out", "done"):
    __import__("os").makedirs(name, exist_ok=True)
app = celery.Celery("work", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "in", "data_folder_out": "in", "processed_folder": "done"}

@app.task
def step(n):
    sinkwell.emit("com.example.n", {"n": n})
    open(f"done-{n}", "w").close()
""")
    send = "import work\nfor n in range(60): work.step.delay(n)"
    subprocess.run([sys.executable, "-c", send], cwd=folder, env=environment(), check=True, timeout=60)
    command = ["celery", "-A", "work", "worker", "--pool", "prefork", "--concurrency", "2"]
    worker = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=folder, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(worker, "all tasks are done", lambda: len(list(folder.glob("done-*"))) == 60)
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    finally:
        worker.kill()
    found = hosts.row(folder, "Celery, prefork", "SIGTERM", "real", 60)
    assert found == (list(range(60)), 0, True, "sound")


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_pool_that_is_terminated_keeps_what_its_workers_emitted(folder: Path, method: str) -> None:
    """``with Pool()`` ends its workers by SIGTERM."""
    program = folder / "program.py"
    program.write_text(f"""
import multiprocessing, sinkwell

def step(n):
    sinkwell.emit("com.example.n", {{"n": n}})

if __name__ == "__main__":
    with multiprocessing.get_context("{method}").Pool(4) as pool:
        pool.map(step, range(40))
""")
    done = subprocess.run(
        [sys.executable, str(program)], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found = hosts.row(folder, f"multiprocessing.Pool, {method}", "terminate (SIGTERM)", "real", 40)
    assert found == (list(range(40)), 0, True, "sound")


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize(
    "patch",
    ["from gevent import monkey; monkey.patch_all()\n", "import eventlet; eventlet.monkey_patch()\n"],
    ids=["gevent", "eventlet"],
)
def test_greenlets_do_not_starve_a_sink(folder: Path, patch: str, kind: str, order: str) -> None:
    """A greenlet that never gives way: the sink is on a thread of the system."""
    load = "import sinkwell, time\n"
    program = (
        (patch + load if order == "before" else load + patch)
        + f"""
class Sink:
    name = "s"
    classes = ["debug"]
    taken = 0
    {kind} emit(self, event):
        self.taken += event.type == "com.example.n"

sink = Sink()
emitter = sinkwell.Emitter.open({{"agent": {{"id": "a"}}, "lanes": []}}, sinks=[sink])
for n in range(40):
    emitter.emit("com.example.n", {{"n": n}})
end = time.monotonic() + 20
while sink.taken < 40 and time.monotonic() < end:
    pass
print(sink.taken)
emitter.shutdown()
"""
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout) == (0, "40\n"), run.stderr
