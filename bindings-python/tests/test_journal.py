"""A journal on a disk that takes its directories, and nothing more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Python ignores the signal that comes with this limit, so that writing fails as on a full disk.
OPEN = """
import resource, time
import sinkwell

class Sink:
    name = "kept"
    classes = {"debug"}
    def emit(self, event):
        if broken:
            raise RuntimeError

config = {
    "agent": {"id": "a"},
    "heartbeat": "off",
    "journal": {"dir": "state"},
    "lanes": [{"id": "kept", "sink": {"host": "kept"}, "durable": True, "batch": {"linger": "1ms"}}],
}
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
emitter = sinkwell.Emitter.open(config, sinks=[Sink()])
"""


def said(folder: Path, program: str) -> str:
    """What the program says on stderr, with a journal that has directories and no file of its size."""
    command = [sys.executable, "-c", OPEN + program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stderr


def test_what_cannot_grow_is_not_begun_again_at_once(tmp_path: Path) -> None:
    program = """
broken = False
for n in range(100):
    emitter.emit("com.example.n", {"n": n}).wait("delivered", timeout=5)
    time.sleep(0.01)
emitter.shutdown(timeout=5)
"""
    warnings = said(tmp_path, program)
    journals = [one for one in (tmp_path / "state").iterdir() if one.is_dir()]
    assert 1 <= len(journals) < 10
    assert 1 <= warnings.count("cannot add a segment") < 3, warnings


def test_what_no_journal_has_is_said_to_be_gone(tmp_path: Path) -> None:
    program = """
broken = True
receipt = emitter.emit("com.example.n")
emitter.flush(timeout=0.5)
report = emitter.shutdown(timeout=0.5)["kept"]
assert report["where"] == "memory", report
"""
    warnings = said(tmp_path, program)
    assert "in its journal" not in warnings, warnings
    assert 'lane "kept" ended with 1 event undelivered (shutdown): 1 ' in warnings, warnings
