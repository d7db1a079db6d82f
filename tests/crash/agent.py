"""The program that is killed, in Python: `DIR RUN SEED` (see README.md)."""

from __future__ import annotations

import os
import random
import sys
import threading
from pathlib import Path

import sinkwell

DIR, RUN, SEED = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def tell(line: str) -> None:
    """One write, so that a line is whole or not there."""
    os.write(1, line.encode())


def work(emitter: sinkwell.Emitter, thread: int) -> None:
    """Emit in bursts, each awaited."""
    choose = random.Random(SEED + thread)
    n = 0
    while True:
        burst = []
        for _ in range(choose.randint(1, 8)):
            data = {"run": RUN, "thread": thread, "n": n, "text": "x" * choose.randrange(2000)}
            burst.append((n, emitter.emit("com.example.step", data)))
            n += 1
        for told, receipt in burst:
            receipt.wait("journaled", timeout=60)
            tell(f"{thread} {told} {receipt.id}\n")


tell("opening\n")
emitter = sinkwell.Emitter.open(DIR / "sinkwell.yaml")
tell("open\n")
threads = [threading.Thread(target=work, args=(emitter, thread)) for thread in range(3)]
for started in threads:
    started.start()
for started in threads:
    started.join()
