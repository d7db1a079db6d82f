"""Prints events for `sinkwell vacuum`: see docs/VACUUM.md."""

import json
import sys
from typing import Any


def emit(event: dict[str, Any]) -> None:
    """Prints one event, in one write, on a line of its own."""
    sys.stdout.write(json.dumps({"_e": 1, **event}, allow_nan=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    emit({"action": "transfer", "value": 7, "note": 'a "quoted"\nline, ü 🌍'})
