"""The conformance vectors, through the package's public API (tests/vectors/README.md)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sinkwell

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"


def cases(folder: str, members: set[str]) -> list[Any]:
    """Every case of a folder. An unknown member fails, and so does a folder without cases."""
    found = []
    for path in sorted((VECTORS / folder).glob("*.json")):
        case = json.loads(path.read_bytes())
        assert set(case) <= members, f"{path}: unknown members {set(case) - members}"
        found.append(pytest.param(case, id=path.stem))
    assert found, f"no case in {folder}"
    return found


def in_folder(value: Any, folder: Path) -> Any:
    """The value with `{dir}` replaced in every text."""
    return json.loads(json.dumps(value).replace("{dir}", str(folder)))


EMIT = {"name", "about", "config", "events", "expected"}


@pytest.mark.parametrize("case", cases("emit", EMIT))
def test_emit(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINKWELL_TESTING", "1")
    with sinkwell.Emitter.open(in_folder(case["config"], tmp_path)) as emitter:
        for step in case["events"]:
            assert set(step) <= {"event", "error"}
            if (expected := step.get("error")) is None:
                emitter.emit(**step["event"])
                continue
            assert set(expected) <= {"kind", "code", "where", "message"}
            with pytest.raises(sinkwell.Error) as caught:
                emitter.emit(**step["event"])
            error = caught.value
            assert (error.kind, error.code) == (expected["kind"], expected["code"])
            assert expected["where"] is None or error.where == expected["where"]
            assert expected.get("message", "") in error.message
    for name, lines in case["expected"].items():
        assert (tmp_path / name).read_text(encoding="utf-8").split("\n") == [*lines, ""]


VERIFY = {"name", "about", "inputs", "checkpoints", "keys", "options", "expected"}


def seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def written(files: list[dict[str, Any]], folder: Path) -> list[Path]:
    paths = []
    for file in files:
        assert set(file) <= {"name", "lines", "tail"}
        path = folder / file["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(line + "\n" for line in file["lines"]) + file.get("tail", "")
        path.write_bytes(text.encode("utf-8"))
        paths.append(path)
    return paths


def found(findings: list[dict[str, Any]], folder: Path) -> list[str]:
    """Findings without their notes, places relative to the folder, in a fixed order."""
    kept = []
    for finding in findings:
        plain = {
            name: finding[name] for name in ("kind", "from", "to", "where") if finding.get(name) is not None
        }
        if "where" in plain:
            plain["where"] = plain["where"].replace(f"{folder}/", "")
        kept.append(json.dumps(plain, sort_keys=True))
    return sorted(kept)


@pytest.mark.parametrize("case", cases("verify", VERIFY))
def test_verify(case: dict[str, Any], tmp_path: Path) -> None:
    keys: dict[str, Any] = {}
    for key in case.get("keys", []):
        assert set(key) <= {"id", "hmac_base64", "spki_pem", "agent"}
        secret = key.get("hmac_base64")
        text = base64.b64decode(secret) if secret else key["spki_pem"].encode()
        keys[key["id"]] = {"file": text, "agent": key.get("agent")}
    options = dict(case.get("options", {}))
    assert set(options) <= {"strict", "partial", "edges", "silence"}
    if "silence" in options:
        options["silence"] = seconds(options["silence"])
    inputs = written(case["inputs"], tmp_path)
    checkpoints = written(case.get("checkpoints", []), tmp_path)
    expected = case["expected"]
    if "error" in expected:
        with pytest.raises(sinkwell.Error) as caught:
            sinkwell.verify(inputs, keys, checkpoints=checkpoints, **options)
        assert caught.value.kind == expected["error"]
        return
    report = sinkwell.verify(inputs, keys, checkpoints=checkpoints, **options)
    for member in ("verdict", "unsigned", "malformed", "lost", "erased", "envelopes"):
        if member in expected:
            assert report[member] == expected[member], member
    assert found(report["findings"], tmp_path) == found(expected["findings"], tmp_path)
    assert len(report["streams"]) == len(expected["streams"])
    for stream, wanted in zip(report["streams"], expected["streams"], strict=True):
        for member in ("streamid", "verdict", "closed"):
            if member in wanted:
                assert stream[member] == wanted[member], member
        assert found(stream["findings"], tmp_path) == found(wanted["findings"], tmp_path)


def content_cases() -> list[Any]:
    found = []
    for path in sorted((VECTORS / "content").glob("*.json")):
        group = json.loads(path.read_bytes())
        if group["group"] in {"gates", "modes", "ways", "refused"}:
            found.append(pytest.param(group["cases"], id=group["group"]))
    assert len(found) == 4
    return found


@pytest.mark.parametrize("group", content_cases())
def test_content(group: list[dict[str, Any]]) -> None:
    assert group
    for case in group:
        if "error" in case:
            with pytest.raises(sinkwell.Error) as caught:
                sinkwell.evaluate_content_capture(case["request"])
            where = {"kind": caught.value.kind, "where": caught.value.where}
            assert where == case["error"], case["name"]
        else:
            assert sinkwell.evaluate_content_capture(case["request"]) == case["answer"], case["name"]


def test_the_example_is_the_same_in_every_language() -> None:
    env = {**os.environ, "SINKWELL_TESTING": "1"}
    command = [sys.executable, str(ROOT / "examples" / "python" / "agent.py")]
    subprocess.run(command, env=env, check=True, timeout=60)
    folder = ROOT / "target" / "examples"
    events = (folder / "python" / "events.ndjson").read_bytes()
    report = sinkwell.verify(events, {"k1": folder / "python" / "agent.pem.pub"})
    assert (report["verdict"], report["envelopes"]) == ("sound", 13)
    for other in folder.glob("*/events.ndjson"):
        assert other.read_bytes() == events, other
