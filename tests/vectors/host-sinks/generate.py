"""Writes `answers.json` beside it: what a host's sink answers, and the counters that follow. Knows no sinkwell code."""

from __future__ import annotations

import json
from pathlib import Path

EVENTS = 8


def case(name, form, expected, *, rules=None, first=None, how="each", timeout_ms=30_000):
    it = {"name": name, "form": form, "rules": rules or [], "timeout_ms": timeout_ms}
    if form == "batch":
        it["how"] = how
    if first:
        it["first"] = first
    counters = {"admitted": EVENTS, "delivered": EVENTS, "rejected": 0, "dropped": 0, "pending": 0}
    return {**it, "counters": {**counters, **expected}}


def rule(event, *answers):
    return {"event": event, "answers": list(answers)}


ONE_REFUSED = {"delivered": 7, "rejected": 1}
CASES = [
    case("all is taken, one by one", "one", {}),
    case("one is refused", "one", ONE_REFUSED, rules=[rule(3, "refuse")]),
    case(
        "all are refused", "one", {"delivered": 0, "rejected": 8}, rules=[rule(n, "refuse") for n in range(8)]
    ),
    case("one is uncertain", "one", ONE_REFUSED, rules=[rule(3, "uncertain")]),
    case("one is tried again", "one", {}, rules=[rule(3, "retry", "taken")]),
    case("the first is tried again, twice", "one", {}, rules=[rule(0, "retry", "retry", "taken")]),
    case("one is refused in the end", "one", ONE_REFUSED, rules=[rule(3, "retry", "refuse")]),
    case(
        "refused, uncertain, tried again",
        "one",
        {"delivered": 6, "rejected": 2},
        rules=[rule(1, "refuse"), rule(4, "uncertain"), rule(6, "retry", "taken")],
    ),
    case("what is no answer is tried again", "one", {}, rules=[rule(3, "nonsense", "taken")]),
    case(
        "what never answers is never delivered, and holds up what follows",
        "one",
        {"delivered": 3, "pending": 5},
        rules=[rule(3, "nonsense")],
        timeout_ms=300,
    ),
    case(
        "what always fails is never delivered, and holds up what follows",
        "one",
        {"delivered": 3, "pending": 5},
        rules=[rule(3, "retry")],
        timeout_ms=300,
    ),
    case("all is taken, as a batch", "batch", {}),
    case("one of a batch is refused", "batch", ONE_REFUSED, rules=[rule(3, "refuse")]),
    case(
        "of a batch some are refused, uncertain, tried again",
        "batch",
        {"delivered": 6, "rejected": 2},
        rules=[rule(1, "refuse"), rule(4, "uncertain"), rule(6, "retry", "taken")],
    ),
    case(
        "one of a batch always fails: the others are there",
        "batch",
        {"delivered": 7, "pending": 1},
        rules=[rule(3, "retry")],
        timeout_ms=300,
    ),
    case(
        "a batch is refused as one: halved until the offender is alone",
        "batch",
        ONE_REFUSED,
        rules=[rule(3, "refuse")],
        how="raise",
    ),
    case(
        "two offenders in a batch that is refused as one",
        "batch",
        {"delivered": 6, "rejected": 2},
        rules=[rule(2, "refuse"), rule(7, "refuse")],
        how="raise",
    ),
    case(
        "a batch fails as one, and is tried again",
        "batch",
        {},
        rules=[rule(3, "retry", "taken")],
        how="raise",
    ),
    case(
        "a batch is uncertain as one",
        "batch",
        {"delivered": 0, "rejected": 8},
        rules=[rule(3, "uncertain")],
        how="raise",
    ),
    case("an answer too few", "batch", {}, first="short"),
    case("an answer too many", "batch", {}, first="long"),
    case("no list at all", "batch", {}, first="nonsense"),
    case("one in the list is no answer", "batch", {}, rules=[rule(3, "nonsense", "taken")]),
    case(
        "a list in which one is never an answer",
        "batch",
        {"delivered": 0, "pending": 8},
        rules=[rule(3, "nonsense")],
        timeout_ms=300,
    ),
]

CONFIG = {
    "agent": {"id": "a"},
    "heartbeat": "off",
    "lanes": [
        {
            "id": "scripted",
            "sink": {"host": "scripted"},
            "batch": {"events": 64, "linger": "10s"},
            "retry": {"initial": "1ms", "cap": "1ms"},
            "breaker": {"failures": 1000000},
        }
    ],
}

if __name__ == "__main__":
    file = {
        "name": "answers",
        "about": "what a host's sink answers, and the counters that follow, the same in every language",
        "config": CONFIG,
        "events": EVENTS,
        "cases": CASES,
    }
    path = Path(__file__).with_name("answers.json")
    path.write_text(json.dumps(file, indent=1) + "\n")
