"""Two hundred forks, sampled so that every pair of sink, state, first call and way to fork is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_every_child_answers() -> None:
    storm = Path(__file__).with_name("fork_storm.py")
    command = [sys.executable, str(storm), "--forks", "200"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" forks, 0 failed\n")
