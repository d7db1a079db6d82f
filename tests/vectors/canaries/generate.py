"""Writes the canary cases: each gate shut alone, all open, all shut (docs/CONTENT.md).

    python3 tests/vectors/canaries/generate.py

Where a marker may be found is reckoned here from the words of the design; no sinkwell code is asked. The forms
of a marker are worked out here, too, so that a runner only looks for bytes.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

GATES = ["source", "sink", "policy", "redaction", "retention", "sampling", "limits"]
CLASSES = [
    "prompt", "system", "completion", "tool_arguments", "tool_result", "memory", "file", "message",
    "tool_definition",
]  # fmt: skip
SUMMARY, REFERENCE, RAW = 1, 2, 3
# Where envelopes come out whole: lanes that may see everything, the gate's, and nothing.
OPEN, GATED, BLIND = ["all.ndjson"], ["mine", "stdout", "audit.db"], ["blind.ndjson"]


def forms(text: str) -> list[str]:
    """The ways in which bytes may be written: as they are, as JSON escapes, as a URL, in hexadecimal, as UTF-16, in base64
    at each of the three places in a group of bytes.
    """
    data = text.encode()
    found = {text, json.dumps(text)[1:-1], data.hex(), "\0".join(text)}
    found.add("".join(chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02X}" for b in data))
    found.add(", ".join(str(b) for b in data))
    for lead in range(3):
        shifted = base64.b64encode(bytes(lead) + data).decode()
        # What depends on the bytes before and behind the marker is left out.
        found.add(shifted[-(-lead * 8 // 6) : (lead + len(data)) * 8 // 6])
    return sorted(found)


def case(number: int, name: str, open_gates: set[str]) -> dict[str, Any]:
    def gate(of: str) -> bool:
        return of in open_gates

    def mark(what: str) -> str:
        return f"K{number}{what.replace('_', '')}øK"

    def mail(what: str) -> str:
        return f"k{number}{what.replace('_', '')}k@example.com"

    granted = "raw" if gate("policy") else "off"
    permit = "raw" if gate("source") else "redacted_summary"
    if not gate("policy"):
        effective = 0
    elif all(gate(g) for g in GATES if g not in ("sink", "source")) and gate("source"):
        effective = RAW
    else:
        effective = SUMMARY

    everything = {"mode": "raw", "classes": CLASSES}
    gated = everything if gate("sink") else "off"
    content: dict[str, Any] = {"mode": "off", "classes": dict.fromkeys(CLASSES, granted)}
    if gate("redaction"):
        content["redaction"] = {
            "id": "pii-1",
            "detectors": ["email"],
            "patterns": {"case": "K\\d+caseøK"},
            "paths": ["$.tools[*].description", "$.exception.message"],
        }
    if gate("retention"):
        content["retention"] = {"class": "short", "window": "30d"}
    content["sampling"] = {"key": "run", "rate": {"numerator": int(gate("sampling")), "denominator": 1}}
    content["limits"] = {"bytes": "64KiB" if gate("limits") else "16B"}
    key = mark("signingkeythatisofthirtytwobytes")
    quick = {"initial": "1ms", "cap": "1ms"}
    config = {
        "agent": {"id": "urn:example:canary"},
        "key": {"id": "k1", "hmac_sha256": {"base64": base64.b64encode(key.encode()).decode()}},
        "journal": {"dir": "{dir}/journal", "floor": 0},
        "dead_letter": {"dir": "{dir}/dead"},
        "heartbeat": "off",
        "governance": {"content": content},
        "lanes": [
            {"id": "all", "sink": {"file": {"path": "{dir}/all.ndjson"}}, "content": everything},
            {"id": "blind", "sink": {"file": {"path": "{dir}/blind.ndjson"}}},
            {"id": "stdout", "sink": "stdout", "content": gated},
            {"id": "console", "sink": "console", "content": gated},
            {"id": "memory", "sink": "memory", "content": gated},
            {"id": "audit", "sink": {"audit_chain": {"path": "{dir}/audit.db"}}, "content": gated},
            {"id": "mine", "sink": {"host": "mine"}, "content": gated},
            {"id": "raises", "sink": {"host": "raises"}, "content": everything, "retry": quick},
            {"id": "refuses", "sink": {"host": "refuses"}, "content": everything},
        ],
    }
    event = {
        "type": "com.example.turn",
        "run": "r-1",
        "data": {
            "mail": mail("data"),
            "tools": [{"name": "search", "description": mark("tool")}],
            "note": "see " + mark("case"),
            "exception": {"message": mark("exception")},
        },
        "content": [
            {
                "class": c,
                "text": f'"{mark(c + "text")}"\n{mail(c)}',
                "summary": mark(c + "summary"),
                "ref": mark(c + "ref"),
                "permit": permit,
            }
            for c in CLASSES
        ],
    }
    bad = mark("bad")
    refused = [
        {"type": "tool.invocation", "data": {"outcome": "ok", "note": bad}},
        {"type": "tool.invocation", "data": {"tool": "x", "outcome": bad}},
        {"type": "com.x", "data": {"content": bad}},
        {"type": "com.x", "data": {"disclosures": bad}},
        {"type": "com.x", "data": {"a": bad}, "severity": bad},
        {"type": "com.x", "data": {"a": bad}, "id": bad},
        {"type": "com.x", "data": {"a": bad}, "time": bad},
        {"type": "com.x", "content": [{"class": "reasoning", "text": bad}]},
        {"type": "com.x", "content": [{"class": "prompt", "text": bad, "permit": bad}]},
        {"type": "heartbeat", "data": {"a": bad}},
    ]
    markers: list[dict[str, Any]] = []

    def add(text: str, must: list[str], may: list[str]) -> None:
        markers.append({"text": text, "forms": forms(text), "must": must, "may": may})

    dead = ["dead"]
    for text in (mark("tool"), mark("case"), mark("exception"), mail("data")):
        if gate("redaction"):
            add(text, [], [])
        else:
            # Data that no redaction policy looks at stays as given. The console cuts its lines.
            add(text, OPEN + GATED + BLIND + dead, ["journal", "stderr"])
    for text in (bad, key):
        add(text, [], [])
    # Of a host's own failure only the host hears the text.
    add(mark("raised"), [], ["health"])
    add(mark("refused"), [], ["health"])
    seen = OPEN + (GATED if gate("sink") else [])
    journal = ["journal"] if gate("sink") else []
    for c in CLASSES:
        for least, what in ((SUMMARY, "summary"), (REFERENCE, "ref"), (RAW, "text")):
            if effective < least:
                add(mark(c + what), [], [])
            else:
                # A dead letter is the envelope without its disclosures.
                add(mark(c + what), seen + (dead if least < RAW else []), journal)
        # Redaction has run before anything is raw.
        add(mail(c), [], [])
    return {
        "name": name,
        "about": "open: " + (", ".join(g for g in GATES if g in open_gates) or "none"),
        "config": config,
        "raised": mark("raised"),
        "refuses_with": mark("refused"),
        "event": event,
        "refused": refused,
        "markers": markers,
    }


def main() -> None:
    here = Path(__file__).parent
    cases = [("all_open", set(GATES)), ("all_shut", set())]
    cases += [(f"{shut}_shut", set(GATES) - {shut}) for shut in GATES]
    for number, (name, open_gates) in enumerate(cases, 100):
        text = json.dumps(case(number, name, open_gates), ensure_ascii=False, indent=1)
        (here / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
