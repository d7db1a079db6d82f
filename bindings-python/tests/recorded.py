"""What the vectors' runners write down for the matrix (tests/vectors/matrix.py)."""

from __future__ import annotations

from pathlib import Path

RECORD = Path(__file__).resolve().parents[2] / "target" / "vectors" / "python.tsv"


def record(case: str, reason: str = "ran") -> None:
    """Write down that a case ran, or why it did not."""
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    with RECORD.open("a", encoding="utf-8") as file:
        file.write(f"{case}\t{reason}\n")
