"""Canaries: every byte that came out is searched for what must not, and must, be in it (tests/vectors)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded import record

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "canaries"
CASES = sorted(VECTORS.glob("*.json"))
MEMBERS = {"name", "about", "config", "raised", "refuses_with", "event", "refused", "markers"}
WHOLE = {"all.ndjson", "blind.ndjson", "mine", "stdout", "audit.db"}


def place(path: Path, folder: Path) -> str:
    first = path.relative_to(folder).parts[0]
    return "audit.db" if first.startswith("audit.db") else first


def read(folder: Path) -> dict[str, bytes]:
    """Every byte that came out, by place."""
    places: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            at = place(path, folder)
            places[at] = places.get(at, b"") + path.read_bytes()
    return places


def judge(markers: list[dict[str, Any]], places: dict[str, bytes]) -> tuple[int, list[str]]:
    """How often a marker was found where it must or may be, and what is wrong."""
    finds = 0
    wrong: list[str] = []
    for marker in markers:
        needles = [form.encode() for form in marker["forms"]]
        found = {name for name, data in places.items() if any(needle in data for needle in needles)}
        finds += len(found & {*marker["must"], *marker["may"]})
        leaks = found - {*marker["must"], *marker["may"]}
        wrong.extend(f"{marker['text']} leaked into {name}" for name in sorted(leaks))
        wrong.extend(f"{marker['text']} is missing in {name}" for name in sorted({*marker["must"]} - found))
    return finds, wrong


def test_every_gate_is_shut_once() -> None:
    assert len(CASES) == 9


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_canaries(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = json.loads(path.read_bytes())
    assert set(case) == MEMBERS
    agent = Path(__file__).with_name("canaries_agent.py")
    child = subprocess.run(
        [sys.executable, str(agent), str(path), str(tmp_path)], capture_output=True, timeout=120, check=False
    )
    assert child.returncode == 0, child.stderr[-2000:]
    (tmp_path / "stdout").write_bytes(child.stdout)
    (tmp_path / "stderr").write_bytes(child.stderr)
    places = read(tmp_path)
    assert set(places) >= WHOLE
    finds, wrong = judge(case["markers"], places)
    with capsys.disabled():
        size = sum(map(len, places.values()))
        print(
            f"\ncanaries {path.stem}: {len(places)} places, {size} bytes, {finds} finds, {len(wrong)} wrong"
        )
    assert not wrong, "\n".join(wrong[:20])
    assert finds > 0 or not any(marker["must"] for marker in case["markers"])
    record(f"canaries/{path.stem}")


def test_a_leak_is_found() -> None:
    marker = {"text": "K1øK", "forms": ["K1\\u00f8K"], "must": ["told"], "may": []}
    assert judge([marker], {"told": b"", "stderr": b'"K1\\u00f8K"'})[1] == [
        "K1øK leaked into stderr",
        "K1øK is missing in told",
    ]
