"""The viewer's page."""

from __future__ import annotations

import html
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ._errors import InvalidArgument, Verification
from ._verify import Input, KeySource, PathLike, _inputs, key_list


class View:
    """A page that shows sealed events and verifies them itself; it asks nothing of any network.

    In a notebook it shows itself. ``html`` is its text.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: PathLike) -> None:
        """Write the page to a file, mode 0600 where the file is new."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(file, "w", encoding="utf-8", newline="") as out:
            out.write(self.html)

    def _repr_html_(self) -> str:
        # In a frame that may run its own scripts and nothing else: it cannot touch the notebook.
        page = html.escape(self.html, quote=True)
        frame = "width:100%;height:700px;border:1px solid #999"
        return f'<iframe title="sinkwell" sandbox="allow-scripts" style="{frame}" srcdoc="{page}"></iframe>'

    def __repr__(self) -> str:
        return f"<sinkwell.View of {len(self.html)} characters; save(path) writes it>"


def view(
    paths: Input | Iterable[Input],
    keys: Mapping[str, KeySource] | None = None,
    *,
    checkpoints: Input | Iterable[Input] = (),
    strict: bool = False,
    partial: bool = False,
) -> View:
    """Make the page of ``sinkwell view --out`` for files (or bytes) of sealed events.

    ``keys`` and ``checkpoints`` are those of ``verify``. A shared secret (``hmac:``) is not in the page: whoever
    opens it gives the secret to it. Raises ``Verification`` where there is nothing to show.
    """
    with tempfile.TemporaryDirectory(prefix="sinkwell-") as folder:
        made = 0

        def file(given: Input) -> str:
            nonlocal made
            if not isinstance(given, bytes):
                return os.fspath(given)
            made += 1
            path = Path(folder, f"{made}.ndjson")
            path.write_bytes(given)
            return str(path)

        out = Path(folder, "page.html")
        line = [sys.executable, "-m", "sinkwell", "view", "--out", str(out)]
        for keyid, source, agent in key_list(keys):
            if isinstance(source, bytes):
                name, found, rest = source.partition(b":")
                named = bool(found) and name in (b"hmac", b"ed25519")
                source = (name.decode() + ":" if named else "") + file(rest if named else source)
            bound = f",agent={agent}" if agent is not None else ""
            line += ["--key", f"{keyid}={os.fspath(source)}{bound}"]
        for checkpoint in _inputs(checkpoints):
            line += ["--checkpoint", file(checkpoint)]
        line += ["--strict"] * strict + ["--partial"] * partial
        inputs = [file(each) for each in _inputs(paths)]
        if not inputs:
            raise InvalidArgument("there is nothing to show: no path is given", "paths")
        done = subprocess.run([*line, "--", *inputs], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Verification(done.stderr.strip().removeprefix("sinkwell: "))
        return View(out.read_text(encoding="utf-8"))
