"""What the tests share: a folder, keys, an emitter that writes to a file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from sinkwell import _native


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An Ed25519 key, as the command makes one; its public half stands beside it as ``agent.pem.pub``."""
    path = tmp_path / "agent.pem"
    assert _native._command(["sinkwell", "keys", "new", str(path)]) == 0
    return path


@pytest.fixture
def config(tmp_path: Path, key: Path) -> dict[str, Any]:
    """A configuration with one file lane."""
    return {
        "agent": {"id": "urn:test:agent"},
        "key": {"id": "k1", "ed25519": {"file": str(key)}},
        "heartbeat": "off",
        "lanes": [{"id": "file", "sink": {"file": {"path": str(tmp_path / "events.ndjson")}}}],
    }


@pytest.fixture
def emitter(config: dict[str, Any]) -> Iterator[sinkwell.Emitter]:
    """An emitter with that configuration."""
    with sinkwell.Emitter.open(config) as emitter:
        yield emitter


@pytest.fixture
def lines(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """The envelopes in the file lane."""

    def read() -> list[dict[str, Any]]:
        text = (tmp_path / "events.ndjson").read_text()
        return [json.loads(line) for line in text.splitlines()]

    return read


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a Python program in a process of its own, in the test's folder."""

    def run(program: str, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *arguments]
        more.setdefault("timeout", 60)
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, **more)

    return run
