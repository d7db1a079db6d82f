"""Writes tests/vectors/emit/*.json without their expected lines; `cargo test --test emit_vectors` with
SINKWELL_BLESS=1 fills those in, and check_emit_vectors.py judges them with the independent verifier.

The inputs are the point: what a host gives, and what it must get back, line for line or error for error.
"""

import base64
import json
import pathlib

OUT = pathlib.Path(__file__).parent.parent / "vectors" / "emit"
KEY = base64.b64encode(bytes(range(32))).decode()
PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n"
)  # RFC 8032, test 1
TESTING = {"clock": "2026-01-01T00:00:00Z", "step": "1ms", "seed": 7}


def config(**more):
    base = {
        "agent": {"id": "urn:example:agent", "tenant": "acme", "allow": ["urn:example:agent/*"]},
        "key": {"id": "k1", "hmac_sha256": {"base64": KEY}},
        "heartbeat": "off",
        "testing": TESTING,
        "lanes": [{"id": "out", "sink": {"file": {"path": "{dir}/out.ndjson"}}}],
    }
    base.update(more)
    return {k: v for k, v in base.items() if v is not None}


def ok(event):
    return {"event": event}


def bad(event, where, message):
    """Refused, with these words in every language."""
    error = {"kind": "invalid_event", "code": 2, "where": where, "message": message}
    return {"event": event, "error": error}


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TOOL = {"type": "tool.invocation", "data": {"tool": "search", "outcome": "ok"}}
DEEP = 1
for _ in range(64):
    DEEP = {"a": DEEP}

CASES = {
    "every_attribute": (
        "every member that an event may have, in one event",
        config(source="urn:example:source", governance={"version": "2026.11.2"}),
        [
            ok(
                {
                    "type": "policy.decision",
                    "data": {
                        "decision": "deny",
                        "rule": "no-shell",
                        "zulu": [1, 2.5, True, None, {"b": 1, "a": 2}],
                    },
                    "subject": "tool:shell",
                    "severity": "fatal",
                    "run": "r-17",
                    "turn": "t-1",
                    "attempt": "a-1",
                    "trace": {
                        "trace_id": "0af7651916cd43dd8448eb211c80319c",
                        "span_id": "b7ad6b7169203331",
                        "flags": 1,
                        "state": "vendor=1",
                    },
                    "agent": "urn:example:agent/child",
                    "tenant": "acme",
                    "time": "2025-12-31T23:59:59.5+01:00",
                    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
                    "causation": "c-1",
                    "correlation": "conv-1",
                }
            )
        ],
    ),
    "ed25519": (
        "the same events under an Ed25519 key",
        config(key={"id": "ed", "ed25519": {"pem": PEM}}),
        [ok(TOOL), ok({"type": "run.completed", "data": {"terminal_status": "completed"}, "run": "r"})],
    ),
    "unsigned": ("no key: no sigalg, keyid, signature", config(key=None), [ok(TOOL)]),
    "types_and_severities": (
        "default severities, prefixes, a host's own type and a terminal one",
        config(type_prefix="com.example."),
        [
            ok({"type": "policy.decision", "data": {"decision": "deny"}}),
            ok({"type": "policy.decision", "data": {"decision": "allow"}}),
            ok({"type": "tool.invocation", "data": {"tool": "t", "outcome": "timeout"}}),
            ok({"type": "sandbox.event", "data": {"kind": "escape"}}),
            ok({"type": "run.cancelled", "data": {}}),
            ok({"type": "com.example.run.failed", "data": {}}),
            ok({"type": "org.other.thing"}),
            ok({"type": "org.other.end", "terminal": True, "severity": "trace"}),
            ok({"type": "policy.breach", "data": {"reason": "host", "lost": [{"from": "1", "to": "2"}]}}),
            ok({"type": "coverage", "data": {"seam": "mcp.server", "state": "watching"}}),
        ],
    ),
    "severities": (
        "a severity in any case, or as OpenTelemetry's number",
        config(),
        [
            *(
                ok({"type": "com.x", "severity": severity})
                for severity in ("Warn", "FATAL", "tRaCe", "13", 1, 4, 5, 12, 13, 24)
            ),
            *(
                bad(
                    {"type": "com.x", "severity": severity},
                    "severity",
                    "not a severity; use trace, debug, info, warn, error or fatal, or OpenTelemetry's number from 1 to 24",
                )
                for severity in ("warning", "0", "25", "+5", " 9", 0, 25, -1)
            ),
        ],
    ),
    "text": (
        "strings that need escapes, or look as if they did",
        config(),
        [
            ok(
                {
                    "type": "com.example.text",
                    "subject": 'a "quoted" \\ subject é 😀',
                    "data": {
                        "\u20ac": "euro",
                        "\r": "return",
                        "\ufb33": "dalet",
                        "1": "one",
                        "😀": "smile",
                        "\u0080": "control",
                        "ö": "o",
                        "s": '\u0000\u0001\b\t\n\f\r"\\/\u007f\u2028é',
                    },
                }
            )
        ],
    ),
    "numbers": (
        "numbers as RFC 8785 writes them",
        config(),
        [
            ok(
                {
                    "type": "com.example.numbers",
                    "data": {
                        "n": [
                            0,
                            -1,
                            1.5,
                            0.1,
                            1e-7,
                            123456.789,
                            9007199254740991,
                            -9007199254740991,
                            4.35,
                            1e-6,
                        ]
                    },
                }
            )
        ],
    ),
    "agents": (
        "streams per agent; one that agent.allow does not cover",
        config(),
        [
            ok({"type": "com.x", "agent": "urn:example:agent/a"}),
            ok({"type": "com.x"}),
            ok({"type": "com.x", "agent": "urn:example:agent/b"}),
            ok({"type": "com.x", "agent": "urn:example:agent/a"}),
            bad(
                {"type": "com.x", "agent": "urn:other"},
                "agent",
                '"urn:other" is not the emitter\'s own and matches no glob of agent.allow',
            ),
            bad(
                {"type": "com.x", "tenant": "other"},
                "tenant",
                '"other" is not the emitter\'s own and matches no glob of agent.allow',
            ),
        ],
    ),
    "trace_from_outside": (
        "a trace context comes from other processes: what is none of it is left out, and the event stays",
        config(),
        [
            ok({"type": "com.x", "data": {"n": n}, "trace": trace})
            for n, trace in enumerate(
                [
                    {"trace_id": TRACE, "span_id": SPAN, "flags": 255, "state": "vendor=1,other=a b"},
                    {"trace_id": "00", "span_id": SPAN},
                    {"trace_id": TRACE.upper(), "span_id": SPAN, "state": "vendor=1"},
                    {"trace_id": "0" * 32, "span_id": SPAN},
                    {"trace_id": TRACE, "span_id": "0" * 16},
                    {"trace_id": TRACE, "span_id": "b7ad6b716920333\u00e9"},
                    {"trace_id": TRACE, "span_id": ""},
                    {"trace_id": TRACE, "span_id": SPAN, "state": ""},
                    {"trace_id": TRACE, "span_id": SPAN, "state": "a=\t"},
                    {"trace_id": TRACE, "span_id": SPAN, "state": "a=\u00e9"},
                    {"trace_id": TRACE, "span_id": SPAN, "state": "a=\u0085"},
                    {"trace_id": TRACE, "span_id": SPAN, "state": "a=" + "x" * 510},
                    {"trace_id": TRACE, "span_id": SPAN, "state": "a=" + "x" * 511},
                ]
            )
        ],
    ),
    "ids": (
        "an id of the host's own is kept as it is; one that is none is refused",
        config(),
        [
            *(
                ok({"type": "com.x", "id": own})
                for own in (
                    "17",
                    "order 4711/\u007e",
                    '"quoted" \\',
                    "018BCFE5-6800-7000-8000-000000000001",
                    "018bcfe5-6800-7000-8000-000000000001",
                    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                    "x" * 128,
                )
            ),
            ok({"type": "com.x", "causation": "17"}),
            *(
                bad(
                    {"type": "com.x", "id": none},
                    "id",
                    "must be 1 to 128 printable ASCII characters; leave it out to get a UUID",
                )
                for none in ("", "a\nb", "\u00e9", "a\u007f", "x" * 129)
            ),
        ],
    ),
    "refused": (
        "what emit refuses, with its place; what comes after is sealed as if it had not come",
        config(limits={"envelope": "8KiB"}),
        [
            ok(TOOL),
            bad(
                {"type": ""},
                "type",
                "the type is empty; name a built-in type or one of your own, as com.example.thing",
            ),
            bad(
                {"type": "with space"},
                "type",
                "a type consists of letters A-Z and a-z, digits, '.', '_' and '-'; rename it",
            ),
            bad(
                {"type": "audit.chain", "data": {"action": "opened"}},
                "type",
                "only sinkwell itself makes audit.chain; use another built-in type or one of your own",
            ),
            bad(
                {"type": "dev.sinkwell.heartbeat", "data": {"counters": {}}},
                "type",
                "only sinkwell itself makes heartbeat; use another built-in type or one of your own",
            ),
            bad(
                {"type": "sink.failed", "data": {"lane": "x", "state": "failed"}},
                "type",
                "only sinkwell itself makes sink.failed; use another built-in type or one of your own",
            ),
            bad(
                {"type": "com.x", "data": {"disclosures": []}},
                "data.disclosures",
                "only sinkwell discloses content; pass the parts as the event's content",
            ),
            bad(
                {"type": "com.x", "data": {"content": []}},
                "data.content",
                "content parts do not travel in data; pass them as the event's content",
            ),
            bad(
                {"type": "com.x", "data": {"capture": {}}},
                "data.capture",
                "sinkwell seals here what content capture decided; give the member another name",
            ),
            bad(
                {"type": "tool.invocation", "data": {"tool": "t", "phase": "intent"}},
                "data.phase",
                "sinkwell seals here which of a deed's two events it is; use a deed, or give the member another name",
            ),
            bad(
                {"type": "policy.decision", "data": {}},
                "data.decision",
                "missing; policy.decision requires it: one of allow, deny, ask",
            ),
            bad(
                {"type": "policy.decision", "data": {"decision": "maybe"}},
                "data.decision",
                "another string here; policy.decision takes one of allow, deny, ask",
            ),
            bad(
                {"type": "tool.invocation", "data": {"tool": 1}},
                "data.tool",
                "a number here; tool.invocation takes a string",
            ),
            bad(
                {"type": "model.usage", "data": {"input_tokens": 1}},
                "data.source.family",
                "missing; model.usage requires it: one of model, run, subagent",
            ),
            bad(
                {"type": "com.x", "data": {"a": {"b": [1, 9007199254740992]}}},
                "data.a.b[1]",
                "a whole number outside \u00b1(2^53\u22121), one like 1e21 too, is not the same number to every reader; send it as a string",
            ),
            bad(
                {"type": "com.x", "data": {"a": -9007199254740992}},
                "data.a",
                "a whole number outside \u00b1(2^53\u22121), one like 1e21 too, is not the same number to every reader; send it as a string",
            ),
            bad(
                {"type": "com.x", "data": {"d": DEEP}},
                None,
                "nested deeper than 64; flatten the value or send it as a string",
            ),
            bad(
                {"type": "com.x", "data": {"big": "x" * 9000}},
                "data",
                "the envelope would be 10153 bytes, over the limit of 8192; nothing is truncated: send less, or a reference",
            ),
            bad(
                {"type": "com.x", "severity": "loud"},
                "severity",
                "not a severity; use trace, debug, info, warn, error or fatal, or OpenTelemetry's number from 1 to 24",
            ),
            bad(
                {"type": "com.x", "subject": ""},
                "subject",
                "is empty; leave it out instead",
            ),
            bad(
                {"type": "com.x", "subject": "a\nb"},
                "subject",
                "holds a control character; attributes may not",
            ),
            bad(
                {"type": "com.x", "time": "yesterday"},
                "time",
                "must be an RFC 3339 time between 1970 and 2262, as 2026-01-31T12:00:00.5Z",
            ),
            bad(
                {"type": "com.x", "tenant": ""},
                "tenant",
                "is empty; leave it out instead",
            ),
            bad(
                {"type": "com.x", "agent": ""},
                "agent",
                "is empty; leave it out instead",
            ),
            bad(
                {"type": "com.x", "child": ""},
                "child",
                "is empty; leave it out instead",
            ),
            bad(
                {"type": "run.completed", "data": {}, "terminal": False},
                "terminal",
                "a built-in type says itself whether it is terminal; leave it out",
            ),
            ok(TOOL),
        ],
    ),
    "content": (
        "one event with content, a lane that may see it and one that may not, redaction in both",
        config(
            lanes=[
                {
                    "id": "out",
                    "sink": {"file": {"path": "{dir}/out.ndjson"}},
                    "content": {"mode": "raw", "classes": ["prompt", "completion"]},
                },
                {"id": "blind", "sink": {"file": {"path": "{dir}/blind.ndjson"}}},
            ],
            governance={
                "content": {
                    "mode": "redacted_summary",
                    "classes": {"prompt": {"mode": "raw"}, "completion": {"mode": "content_ref"}},
                    "redaction": {"id": "pii-1", "detectors": ["email", "card"]},
                    "retention": {"class": "short", "window": "30d"},
                    "sampling": {"key": "run", "rate": {"numerator": 1, "denominator": 1}},
                    "limits": {"bytes": "64KiB"},
                }
            },
        ),
        [
            ok(
                {
                    "type": "com.example.chat",
                    "run": "r-1",
                    "data": {"note": "write to ann@example.com", "zz": 1},
                    "content": [
                        {
                            "class": "prompt",
                            "text": "pay with 4111 1111 1111 1111",
                            "permit": "raw",
                            "role": "user",
                        },
                        {
                            "class": "completion",
                            "text": "done",
                            "permit": "raw",
                            "ref": "store:1",
                            "summary": "it was done",
                            "tokens": 3,
                        },
                        {"class": "tool_result", "bytes": "AAEC", "mediatype": "application/octet-stream"},
                    ],
                }
            ),
            bad(
                {"type": "com.x", "content": [{"class": "reasoning", "text": "hidden"}]},
                "content[0].class",
                "hidden reasoning is not captured, under any policy; leave this part out",
            ),
        ],
    ),
}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (about, document, events) in CASES.items():
        path = OUT / f"{name}.json"
        expected = json.loads(path.read_text())["expected"] if path.exists() else {}
        case = {"name": name, "about": about, "config": document, "events": events, "expected": expected}
        path.write_text(json.dumps(case, ensure_ascii=True, indent=1, sort_keys=False) + "\n")


if __name__ == "__main__":
    main()
