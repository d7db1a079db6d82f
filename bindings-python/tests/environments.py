"""Environments of their own for frameworks, under target/, each installed once from its pinned requirements."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = Path(__file__).parent / "frameworks"


_one_at_a_time = threading.Lock()


def environment(name: str) -> Path:
    """The interpreter of the environment that has what `frameworks/NAME.txt` pins; without a registry a skip, or a
    failure where nothing may be missing.
    """
    with _one_at_a_time:
        return _environment(name)


def _environment(name: str) -> Path:
    requirements = FRAMEWORKS / f"{name}.txt"
    stamp = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / "target" / "frameworks" / f"python-{stamp}"
    python = folder / "bin" / "python"
    if (folder / "installed").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    failed = ""
    for tool in (["uv", "pip", "install", "--python"], [sys.executable, "-m", "pip", "--python"]):
        # uv takes a sixth of the time; pip also knows registries that this machine's pip is configured for.
        if tool[0] == "uv" and shutil.which("uv") is None:
            continue
        command: list[str | Path] = [*tool, python, *(["install"] if tool[0] != "uv" else [])]
        installed = subprocess.run([*command, "-q", "-r", requirements], capture_output=True, text=True)
        if installed.returncode == 0:
            (folder / "installed").touch()
            return python
        failed = installed.stderr[-500:]
    missing = f"{name}.txt cannot be installed: {failed}"
    if os.environ.get("SINKWELL_REQUIRE") == "all":
        pytest.fail(missing)
    pytest.skip(missing)
