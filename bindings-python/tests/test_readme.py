"""Every line of Python in the README and in the pages that it leads to runs."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sinkwell

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.S)


def page(name: str) -> str:
    return (ROOT.parent / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture
def names(config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a line of the README takes for granted."""
    monkeypatch.chdir(tmp_path)
    sinkwell.shutdown()
    (tmp_path / "sinkwell.yaml").write_text(
        "agent: { id: a }\nlanes: [ { sink: { file: { path: default.ndjson } } } ]\n"
    )

    async def post(body: bytes, *, idempotency_key: str) -> None:
        assert body
        assert idempotency_key

    class Usage:
        prompt_tokens, completion_tokens = 3, 4

        def __init__(self) -> None:
            self.prompt_tokens, self.completion_tokens = 3, 4

    class Response:
        usage = Usage()

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    with sinkwell.Emitter.open(config) as sw:
        yield {
            "sinkwell": sinkwell, "Emitter": sinkwell.Emitter, "sw": sw, "config": config, "post": post,
            "logging": logging, "provider": TracerProvider(shutdown_on_exit=False), "sampler": ALWAYS_ON,
            "response": Response(),
        }  # fmt: skip
    sinkwell.shutdown()


def execute(code: str, names: dict[str, Any]) -> None:
    """As a notebook's cell: with `await` where there is no function around it."""
    compiled = compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if compiled.co_flags & inspect.CO_COROUTINE:

        async def run() -> None:
            await eval(compiled, names)

        asyncio.run(run())
    else:
        exec(compiled, names)


def test_the_lines_of_the_front_page(tmp_path: Path) -> None:
    front = (ROOT.parent / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", front, flags=re.S)
    (tmp_path / "sinkwell.yaml").write_text(
        "agent: { id: a }\nlanes: [ { sink: { file: { path: e.ndjson } } } ]\n"
    )
    environment = {**os.environ, "SINKWELL_CONFIG": str(tmp_path / "sinkwell.yaml")}
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=tmp_path, env=environment, timeout=60, check=True)
    assert '"tool":"search"' in (tmp_path / "e.ndjson").read_text()


def test_the_first_block_is_a_program(key: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BLOCKS[0]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", BLOCKS[1:], ids=range(1, len(BLOCKS)))
def test_a_block_of_the_readme(names: dict[str, Any], block: str) -> None:
    execute(block, names)
    opened = names["sw"]
    opened.shutdown()


def spans() -> list[str]:
    """Calls that the README's sentences show, but for those that leave something out."""
    text = re.sub(r"```.*?```", "", README, flags=re.S)
    found = [
        span
        for span in re.findall(r"`([^`\n]+)`", text)
        if "(" in span and "..." not in span and "…" not in span
    ]
    return [
        span for span in found if span.startswith(("sinkwell.", "logging.", "provider.", "sw.", "Emitter."))
    ]


def test_there_are_such_spans() -> None:
    assert len(spans()) >= 5


@pytest.mark.parametrize("span", spans())
def test_a_call_that_a_sentence_shows(names: dict[str, Any], span: str) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        execute(span, names)
    finally:
        root.handlers = before


def test_the_example_with_every_gate_open(key: Path, tmp_path: Path) -> None:
    section = page("CONTENT.md").split("## All seven gates open")[1]
    (program,) = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], flags=re.S)
    assert [
        gate in program
        for gate in ("source", "sink", "policy", "redaction", "retention", "sampling", "limits")
    ]
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_example_of_what_is_ambient(key: Path, tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", page("CONTEXT.md"), flags=re.S)
    (tmp_path / "sinkwell.yaml").write_text(
        "agent: { id: a }\nkey: { id: k1, ed25519: { file: agent.pem } }\n"
        "lanes: [ { sink: { file: { path: e.ndjson } } } ]\n"
    )
    end = "sinkwell.shutdown(timeout=5)"
    program = program.replace(
        end,
        f"""
import asyncio, types
async def backend(query):
    return [query]
turns = [types.SimpleNamespace(query="a"), types.SimpleNamespace(query="b")]
asyncio.run(act(types.SimpleNamespace(goal="g", turns=turns)))
{end}""",
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "e.ndjson").read_text()
    assert text.count('"type":"dev.sinkwell.tool.invocation"') == 2
    assert (text.count('"turnid":"t-0"'), text.count('"causationid"')) == (2, 2)


def shell(block: str) -> list[tuple[str, str]]:
    """Commands of a transcript, each with what it printed."""
    steps: list[tuple[str, str]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], ""))
        elif steps:
            steps[-1] = (steps[-1][0], steps[-1][1] + line + "\n")
    return steps


def test_the_first_ten_minutes_are_as_they_are_told(tmp_path: Path) -> None:
    """docs/FIRST-MINUTES.md: files are written, commands run, and what they print is what stands there, with `…` for
    what differs from run to run.
    """
    section = page("FIRST-MINUTES.md").split("## Python")[1].split("\n## ")[0]
    folder = Path(sys.executable).parent
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }
    ran = 0
    for kind, block in re.findall(r"```(\w+)\n(.*?)```", section, flags=re.S):
        if kind == "python":
            name, _, body = block.partition("\n")
            (tmp_path / name.removeprefix("# ")).write_text(body)
            continue
        for command, expected in shell(block):
            if command.startswith("pip "):
                continue
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
            )  # fmt: skip
            pattern = re.escape(expected).replace("…", "[^\\n]*")
            # Whether the last try was under way when time was up is chance, and each is told as what it is.
            gone, tried = "1 gone: in memory only", "1 given to its sink, which did not answer"
            pattern = pattern.replace(re.escape(gone), f"({re.escape(gone)}|{re.escape(tried)})")
            assert re.fullmatch(pattern, done.stdout), f"$ {command}\n{done.stdout}\nnot\n{expected}"
            ran += 1
    assert ran >= 6
