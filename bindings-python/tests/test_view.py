"""The viewer's page, from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sinkwell

LINE = json.dumps({"specversion": "1.0"})


def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    config = {
        "agent": {"id": "urn:a"},
        "lanes": [{"id": "file", "sink": {"file": {"path": str(path)}}}],
    }
    with sinkwell.Emitter.open(config) as sw:
        sw.emit("com.example.n", {"message": "</script><b>"})
    return path


def test_a_page_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    page = sinkwell.view(events(tmp_path))
    assert page.html.startswith("<!doctype html>")
    assert "</script><b>" not in page.html
    shown = page._repr_html_()
    # One frame, and nothing of the page outside of its attribute.
    assert shown.startswith('<iframe title="sinkwell" sandbox="allow-scripts"')
    assert shown.count("<") == 2
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600
    assert sinkwell.view(events(tmp_path).read_bytes()).html


def test_what_cannot_be_shown_is_said(tmp_path: Path) -> None:
    with pytest.raises(sinkwell.Verification, match="no envelope"):
        sinkwell.view(LINE.encode())
    with pytest.raises(sinkwell.Verification, match="nowhere"):
        sinkwell.view(tmp_path / "nowhere.ndjson")
    with pytest.raises(sinkwell.InvalidArgument):
        sinkwell.view([])
