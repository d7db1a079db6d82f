#!/usr/bin/env python3
"""Writes the content vectors, from the words of the design and nothing else.

    python3 tests/vectors/content/generate.py

Knows no sinkwell code. Every file is one group; every case is one line.
"""

import base64
import hashlib
import itertools
import json
import pathlib

HERE = pathlib.Path(__file__).parent
MODES = ["off", "redacted_summary", "content_ref", "raw"]  # from low to high
GATES = ["source", "sink", "policy", "redaction", "retention", "sampling", "limits"]


def lowest(*modes):
    return min(modes, key=MODES.index)


def answer(requested, policy_mode, sink_mode, failed, redaction_id, refs):
    """The gates are for raw; then the effective mode is the lowest of all."""
    failed = [g for g in GATES if g in failed] if requested == "raw" else []
    effective = lowest(requested, policy_mode, sink_mode, "redacted_summary" if failed else "raw")
    return {
        "requested": requested,
        "effective": effective,
        "allowed": effective == requested,
        "reason": failed[0] if failed else None,
        "failed": failed,
        "redaction_policy_id": redaction_id,
        "policy_refs": refs,
    }


def open_request(requested="raw"):
    """Every gate is open."""
    return {
        "policy": {
            "mode": "redacted_summary",
            "classes": {
                "tool_result": {
                    "mode": "raw",
                    "tenants": ["acme"],
                    "agents": ["did:web:example.com:*"],
                    "expires": "2250-01-01",
                }
            },
            "redaction": {"id": "pii-1", "detectors": ["email"]},
            "retention": {"class": "short", "window": "30d"},
            "sampling": {"key": "run", "rate": {"numerator": 1, "denominator": 10}},
            "limits": {"bytes": "64KiB"},
            "children": ["agent:researcher", "extension:*"],
        },
        "sink": {"mode": "raw", "classes": ["tool_result"]},
        "requested_mode": requested,
        "class": "tool_result",
        "tenant": "acme",
        "agent": "did:web:example.com:agents:buyer",
        "source_permits_content": True,
        "retention_active": True,
        "deterministic_sample_included": True,
        "requested_bytes": 1024,
        "redaction_policy_id": "pii-1",
        "child_or_extension": None,
    }


RULE = ["governance.content.classes.tool_result"]
DEFAULT = ["governance.content.mode"]


def write(group, cases, **head):
    names = [case["name"] for case in cases]
    assert len(names) == len(set(names)), group
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, sort_keys=True) for case in cases)
    head = "".join(f'"{k}": {json.dumps(v)},\n' for k, v in {"group": group, **head}.items())
    (HERE / f"{group}.json").write_text("{" + head + '"cases": [\n' + lines + "\n]}\n")
    print(f"{group}: {len(cases)}")


def gates():
    """All combinations of gates, times the modes that can be requested."""
    cases = []
    for requested in MODES:
        for shut in itertools.product([False, True], repeat=len(GATES)):
            failed = {gate for gate, is_shut in zip(GATES, shut) if is_shut}
            request = open_request(requested)
            policy_mode = sink_mode = "raw"
            if "source" in failed:
                request["source_permits_content"] = False
            if "sink" in failed:
                request["sink"]["mode"] = sink_mode = "content_ref"
            if "policy" in failed:
                request["policy"]["classes"]["tool_result"]["mode"] = policy_mode = "content_ref"
            if "redaction" in failed:
                request["redaction_policy_id"] = None
            if "retention" in failed:
                request["retention_active"] = False
            if "sampling" in failed:
                request["deterministic_sample_included"] = False
            if "limits" in failed:
                request["requested_bytes"] = 64 * 1024 + 1
            cases.append(
                {
                    "name": f"{requested}, shut: {' '.join(g for g in GATES if g in failed) or 'none'}",
                    "request": request,
                    "answer": answer(requested, policy_mode, sink_mode, failed, "pii-1", RULE),
                }
            )
    return cases


def modes():
    """Every mode requested, granted and seen, with the class named by the lane and not."""
    cases = []
    for requested, granted, seen, named in itertools.product(MODES, MODES, MODES, [True, False]):
        request = open_request(requested)
        request["policy"]["classes"]["tool_result"]["mode"] = granted
        request["sink"] = {"mode": seen, "classes": ["tool_result"] if named else ["prompt"]}
        sink_mode = seen if named else "off"
        failed = set()
        if sink_mode != "raw":
            failed.add("sink")
        if granted != "raw":
            failed.add("policy")
        cases.append(
            {
                "name": f"requested {requested}, granted {granted}, seen {seen if named else 'not (class)'} {seen}",
                "request": request,
                "answer": answer(requested, granted, sink_mode, failed, "pii-1", RULE),
            }
        )
    return cases


def ways():
    """Each way in which one gate alone is shut, or stays open."""
    cases = []

    def case(name, change, policy_mode="raw", sink_mode="raw", failed=(), redaction="pii-1", refs=RULE):
        request = open_request()
        change(request)
        cases.append(
            {
                "name": name,
                "request": request,
                "answer": answer("raw", policy_mode, sink_mode, set(failed), redaction, refs),
            }
        )

    def put(**members):
        return lambda request: request.update(members)

    def drop(*names):
        def change(request):
            for name in names:
                del request[name]

        return change

    def policy(**members):
        def change(request):
            for key, value in members.items():
                if value is None:
                    del request["policy"][key]
                else:
                    request["policy"][key] = value

        return change

    def rule(**members):
        def change(request):
            for key, value in members.items():
                if value is None:
                    del request["policy"]["classes"]["tool_result"][key]
                else:
                    request["policy"]["classes"]["tool_result"][key] = value

        return change

    def both(*changes):
        def change(request):
            for one in changes:
                one(request)

        return change

    case("all open", lambda request: None)
    case("source: absent", drop("source_permits_content"), failed=["source"])
    case("sink: absent", drop("sink"), sink_mode="off", failed=["sink"])
    case("sink: null", put(sink=None), sink_mode="off", failed=["sink"])
    case("sink: no classes", put(sink={"mode": "raw"}), sink_mode="off", failed=["sink"])
    case("sink: no mode", put(sink={"classes": ["tool_result"]}), sink_mode="off", failed=["sink"])
    every = ["policy", "redaction", "retention", "sampling"]
    case("policy: absent", drop("policy"), "off", failed=every, redaction=None, refs=[])
    case("policy: null", put(policy=None), "off", failed=every, redaction=None, refs=[])
    case("policy: empty", put(policy={}), "off", failed=every, redaction=None, refs=DEFAULT)
    case("policy: another tenant", put(tenant="other"), "redacted_summary", failed=["policy"], refs=DEFAULT)
    case("policy: no tenant", put(tenant=None), "redacted_summary", failed=["policy"], refs=DEFAULT)
    case(
        "policy: another agent",
        put(agent="did:web:example.org:x"),
        "redacted_summary",
        failed=["policy"],
        refs=DEFAULT,
    )
    case("policy: no agent", drop("agent"), "redacted_summary", failed=["policy"], refs=DEFAULT)
    case("policy: expired", rule(expires="2001-01-01"), "redacted_summary", failed=["policy"])
    case(
        "policy: expired to the second",
        rule(expires="2001-01-01T00:00:00Z"),
        "redacted_summary",
        failed=["policy"],
    )
    case(
        "policy: expired, the default is raw",
        both(rule(expires="2001-01-01"), policy(mode="raw")),
        "redacted_summary",
        failed=["policy"],
    )
    case(
        "policy: expired, the default is off",
        both(rule(expires="2001-01-01"), policy(mode="off")),
        "off",
        failed=["policy"],
    )
    case("policy: no expiry", rule(expires=None))
    case("policy: any tenant", both(rule(tenants=None), put(tenant=None)))
    case("policy: the default is raw", both(policy(mode="raw"), put(tenant="other")), refs=DEFAULT)
    case(
        "policy: another class",
        both(put(**{"class": "prompt"}), put(sink={"mode": "raw", "classes": ["prompt"]})),
        "redacted_summary",
        failed=["policy"],
        refs=DEFAULT,
    )
    for child in ["agent:researcher", "extension:browser"]:
        case(f"child: {child} is included", put(child_or_extension=child))
    children = ["governance.content.children"]
    for child in ["agent:writer", "agent:researcher2", True, ""]:
        case(
            f"child: {child!r} is not included",
            put(child_or_extension=child),
            "off",
            failed=["policy"],
            refs=children,
        )
    case("child: none", put(child_or_extension=False))
    case(
        "child: no list",
        both(policy(children=None), put(child_or_extension="agent:researcher")),
        "off",
        failed=["policy"],
        refs=children,
    )
    case("redaction: none required", policy(redaction=None), failed=["redaction"], redaction=None)
    case("redaction: another has run", put(redaction_policy_id="pii-2"), failed=["redaction"])
    case("redaction: absent", drop("redaction_policy_id"), failed=["redaction"])
    case("retention: none declared", policy(retention=None), failed=["retention"])
    case("retention: absent", drop("retention_active"), failed=["retention"])
    case("sampling: not required", policy(sampling=None), failed=["sampling"])
    case("sampling: absent", drop("deterministic_sample_included"), failed=["sampling"])
    case("limits: no bytes", put(requested_bytes=0), failed=["limits"])
    case("limits: absent bytes", drop("requested_bytes"), failed=["limits"])
    case("limits: the last byte", put(requested_bytes=64 * 1024))
    case("limits: one byte over", put(requested_bytes=64 * 1024 + 1), failed=["limits"])
    case("limits: none", both(policy(limits=None), put(requested_bytes=2**40)))
    return cases


def refused():
    """Requests that are an error, with its kind and place."""
    cases = []

    def case(name, kind, place, **members):
        request = open_request()
        request.update(members)
        cases.append({"name": name, "request": request, "error": {"kind": kind, "where": place}})

    for cls in ["reasoning", "thinking", "chain_of_thought"]:
        case(f"hidden: {cls}", "invalid_argument", "class", **{"class": cls})
    case("class: empty", "invalid_argument", "class", **{"class": ""})
    case("class: white space", "invalid_argument", "class", **{"class": "tool result"})
    case("mode: unknown", "invalid_argument", "requested_mode", requested_mode="everything")
    case("mode: null", "invalid_argument", "requested_mode", requested_mode=None)
    case("bytes: negative", "invalid_argument", "requested_bytes", requested_bytes=-1)
    case("bytes: fraction", "invalid_argument", "requested_bytes", requested_bytes=1.5)
    case("flag: a word", "invalid_argument", "retention_active", retention_active="yes")
    case("member: unknown", "invalid_argument", "requested", requested="raw")
    case("sink: a word", "invalid_argument", "sink", sink="raw")
    case("sink: mode", "invalid_argument", "sink.mode", sink={"mode": "all"})
    case("policy: unknown key", "policy", "policy.redact", policy={"redact": {}})
    case("policy: a word", "policy", "policy", policy="raw")
    case("policy: mode", "policy", "policy.mode", policy={"mode": "all"})
    case(
        "policy: hidden reasoning", "policy", "policy.classes.thinking", policy={"classes": {"thinking": {}}}
    )
    case(
        "policy: pattern to keep",
        "policy",
        "policy.redaction.keep[0]",
        policy={"redaction": {"id": "r", "keep": ["a(?=b)"]}},
    )
    case(
        "policy: keep is no list",
        "policy",
        "policy.redaction.keep",
        policy={"redaction": {"id": "r", "keep": "a"}},
    )
    case(
        "policy: pattern",
        "policy",
        "policy.redaction.patterns.p",
        policy={"redaction": {"id": "r", "patterns": {"p": "(?<=a)b"}}},
    )
    case(
        "policy: window",
        "policy",
        "policy.retention.window",
        policy={"retention": {"class": "short", "window": "30"}},
    )
    case(
        "policy: rate",
        "policy",
        "policy.sampling.rate.numerator",
        policy={"sampling": {"key": "run", "rate": {"numerator": 2, "denominator": 1}}},
    )
    return cases


def sampling():
    cases = []
    keys = [
        "",
        "r-17",
        "r-18",
        "0af7651916cd43dd8448eb211c80319c",
        "018f3b5e-7c00-7000-8000-000000000001",
        "Überläufer",
        "\U0001f50d",
    ]
    keys += [f"run-{n}" for n in range(40)]
    for key in keys:
        digest = hashlib.sha256(b"sinkwell-sample-v1\n" + key.encode()).digest()
        h = int.from_bytes(digest[:8], "big")
        for numerator, denominator in [
            (0, 1),
            (1, 1),
            (1, 2),
            (1, 10),
            (5, 100),
            (1, 1000),
            (2**53 - 2, 2**53 - 1),
        ]:
            cases.append(
                {
                    "name": f"{key!r} {numerator}/{denominator}",
                    "key": key,
                    "rate": {"numerator": numerator, "denominator": denominator},
                    "included": h * denominator // 2**64 < numerator,
                }
            )
    return cases


def commitments():
    cases = []
    bodies = [b"", b"a", b"rm -rf /", "Grüße, 世界".encode(), bytes(range(256)), b"x" * 4096]
    for n, body in enumerate(bodies):
        for salt in [bytes(16), bytes(range(16)), bytes([255] * 16)]:
            cases.append(
                {
                    "name": f"body {n}, salt {salt.hex()}",
                    "bytes": base64.b64encode(body).decode(),
                    "salt": base64.b64encode(salt).decode(),
                    "digest": hashlib.sha256(b"sinkwell-part-v1\n" + salt + body).hexdigest(),
                }
            )
    return cases


write("gates", gates())
write("modes", modes())
write("ways", ways())
write("refused", refused())
write("sampling", sampling())
write("commitments", commitments())
