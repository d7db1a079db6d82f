"""The audit log from Python: the command's answers, as mappings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sinkwell


@pytest.fixture
def log(tmp_path: Path, config: dict[str, Any]) -> sinkwell.AuditLog:
    """Ten events in two runs."""
    path = tmp_path / "audit.db"
    config["lanes"] = [{"id": "audit", "sink": {"audit_chain": {"path": str(path)}}}]
    with sinkwell.Emitter.open(config) as emitter:
        for n in range(10):
            emitter.emit("tool.invocation", {"tool": "search", "outcome": "ok"}, run=f"r-{n % 2}")
    return sinkwell.AuditLog(path)


def command(*arguments: str) -> Any:
    """What the command prints, as JSON."""
    line = [sys.executable, "-m", "sinkwell", "audit", *arguments, "--format", "json"]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def test_the_answers_are_the_commands(log: sinkwell.AuditLog, tmp_path: Path, key: Path) -> None:
    assert log.verify() == command("verify", log.path)
    assert log.verify()["verdict"] == "sound"
    head = log.head(sign=key)
    assert head == command("head", log.path, "--sign", str(key))
    assert head["size"] == 12
    assert head["note"].startswith(head["origin"])
    assert log.verify(heads=[head["note"]])["verdict"] == "sound"
    found = log.query(run="r-1", type="tool.*", limit=2)
    assert [one["index"] for one in found] == [2, 4]
    proof = log.prove(found[0]["envelope"]["id"])
    assert proof == command("prove", log.path, "--id", found[0]["envelope"]["id"])
    assert proof == log.prove(index=2)
    envelope = found[0]["envelope"]
    assert proof == log.prove(stream=envelope["streamid"], sequence=int(envelope["sequence"]))
    assert log.consistency(5) == command("consistency", log.path, "5")
    assert log.export(tmp_path / "export.ndjson") == 12
    report = sinkwell.verify(tmp_path / "export.ndjson", keys={"k1": f"{key}.pub"})
    assert report == {**sinkwell.verify(log.path, keys={"k1": f"{key}.pub"})}
    assert report["verdict"] == "sound"


def test_events_are_counted_and_added_up(log: sinkwell.AuditLog) -> None:
    counted = log.group(by=["/runid"], where={"tool": "search"}, since="48h")
    assert counted == command("query", log.path, "--by", "/runid", "--where", "tool=search", "--since", "48h")
    assert [group["count"] for group in counted["groups"]] == [5, 5]
    assert log.group(sum=["tool"])["groups"][0]["sum"] == {"tool": {"sum": "0", "numbers": 0, "others": 10}}
    with pytest.raises(sinkwell.InvalidArgument, match="more than 1 groups"):
        log.group(by=["/runid"], groups=1)


def test_wrong_arguments_are_named(log: sinkwell.AuditLog, tmp_path: Path) -> None:
    with pytest.raises(sinkwell.InvalidArgument, match="by id, by index"):
        log.prove()
    with pytest.raises(sinkwell.InvalidArgument) as error:
        log.query(since="yesterday")
    assert error.value.where == "since"
    with pytest.raises(sinkwell.Verification):
        sinkwell.AuditLog(tmp_path / "none.db").head()
    with pytest.raises(sinkwell.InvalidArgument):
        log.prove(index=99)
