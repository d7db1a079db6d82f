"""The package itself: its stubs, its command, what it exports, what it keeps to itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from sinkwell import _native

ROOT = Path(__file__).resolve().parents[1]


def test_the_stubs_are_those_of_the_native_module() -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "sinkwell._native", "--ignore-disjoint-bases"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout


def test_the_first_event_of_the_readme(key: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S)
    command = [sys.executable, "-c", blocks[0]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_interpreter_is_refused_and_leaves_the_main_one_as_it_was() -> None:
    program = """
import sinkwell

emitter = sinkwell.Emitter.open({"agent": {"id": "a"}, "lanes": ["null"]})
try:
    import _interpreters as interpreters
    other = interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    other = interpreters.create(isolated=False)
interpreters.run_string(other, '''
try:
    import sinkwell
except ImportError as refused:
    print(refused, flush=True)
''')
# What was registered there for its end runs now.
interpreters.destroy(other)
emitter.emit("com.example.n")
print(emitter.shutdown()["null"]["delivered"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    refused, delivered = done.stdout.splitlines()
    assert refused.startswith("sinkwell runs in the main interpreter only")
    assert delivered == "1"


def test_every_export_exists_and_is_documented() -> None:
    assert sorted(sinkwell.__all__) == list(sinkwell.__all__)
    for name in sinkwell.__all__:
        value = getattr(sinkwell, name)
        assert name == "__version__" or value.__doc__, name


def test_the_command(key: Path, config: dict[str, Any], tmp_path: Path) -> None:
    with sinkwell.Emitter.open(config) as emitter:
        emitter.emit("com.example.n")

    def sinkwell_command(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sinkwell", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    events = str(tmp_path / "events.ndjson")
    assert sinkwell_command("--version").stdout == f"sinkwell {sinkwell.__version__}\n"
    assert sinkwell_command("verify", "--key", f"k1={key}.pub", events).returncode == 0
    assert sinkwell_command("verify", events).returncode == 1
    assert sinkwell_command("verify", "--key", "k1=/nowhere", events).returncode == 2
    assert sinkwell_command("no-such-thing").returncode == 2
    assert Path(sys.executable).with_name("sinkwell").exists()


def test_reports(emitter: sinkwell.Emitter) -> None:
    emitter.emit("com.example.n")
    emitter.flush(timeout=30)
    counters = emitter.counters()["file"]
    total = sum(counters[name] for name in ("delivered", "dropped", "rejected", "pending"))
    assert counters["admitted"] == total == 1
    assert emitter.health()["file"]["state"] == "healthy"
    emitter.ensure_ready()
    assert 'sinkwell_lane_delivered_total{lane="file"} 1' in emitter.prometheus()
    assert sinkwell.authority_boundary()["may_change"] == []


def test_a_part_and_its_salt(emitter: sinkwell.Emitter, lines: Any) -> None:
    import hashlib

    content = [
        sinkwell.part("tool_arguments", text="rm -rf /", role="assistant", tokens=4),
        sinkwell.part("file", bytes=b"\x00\xff", mediatype="application/x-test"),
    ]
    receipt = emitter.emit("tool.invocation", {"tool": "shell"}, content=content)
    receipt.wait("delivered", timeout=5)
    parts = lines()[1]["data"]["content"]
    assert [part["class"] for part in parts] == ["tool_arguments", "file"]
    assert "rm -rf" not in str(lines())
    for i, text in enumerate((b"rm -rf /", b"\x00\xff")):
        salt = receipt.salt(i)
        assert salt is not None
        digest = hashlib.sha256(b"sinkwell-part-v1\n" + salt + text).hexdigest()
        assert parts[i]["digest"] == digest
    assert receipt.salt(2) is None


CANARY = "CANARY-51c2"


@pytest.mark.parametrize(
    "emitted",
    [
        {"type": "com.example.n", "content": [{"class": "thinking", "text": CANARY}]},
        {"type": "com.example.n", "content": [{"class": "prompt", "text": CANARY, "bytes": CANARY}]},
        {"type": "com.example.n", "content": [{"class": "prompt", "text": CANARY + "\ud800"}]},
        {"type": "com.example.n", "data": {"a": CANARY, "b": float("nan")}},
        {"type": "com.example.n", "data": {"a": [CANARY, object()]}},
    ],
)
def test_no_error_repeats_what_somebody_said(emitter: sinkwell.Emitter, emitted: dict[str, Any]) -> None:
    with pytest.raises(sinkwell.InvalidEvent) as caught:
        emitter.emit(**emitted)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)


def test_no_representation_repeats_what_somebody_said(emitter: sinkwell.Emitter) -> None:
    receipt = emitter.emit(
        "com.example.n", {"a": CANARY}, content=[sinkwell.part("prompt", text=CANARY, permit="raw")]
    )
    assert CANARY not in repr(receipt) + repr(emitter)


def test_the_binding_has_no_rules_of_its_own() -> None:
    """Names of the core's rules have no business here: a copy of one would need them."""
    rules = re.compile(r"2 ?\*\* ?53|9007199254740991|1_?048_?576|\b64 ?\* ?1024\b|\breserve\b|1_?024\b")
    files = [*(ROOT / "src").rglob("*.rs"), *(ROOT / "python").rglob("*.py")]
    assert len(files) > 15
    assert not [path for path in files if rules.search(path.read_text(encoding="utf-8"))]


def test_the_native_half_is_private() -> None:
    assert [name for name in dir(_native) if name.startswith("_NoRoom")]
    assert "_native" not in sinkwell.__all__
