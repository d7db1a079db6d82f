"""Writes tests/vectors/verify/*.json: python make_vectors.py DIRECTORY. Deterministic.

What is expected is written by hand here, beside how each file is made; `check_vectors.py` holds the independent
verifier to the same files.
"""

import base64
import json
import pathlib
import sys

import sealer
import vectors_seal
from sealer import Key, Stream, line, part, seq, sign, stub, unsigned, uuid7

HMAC = Key("k1", bytes(range(32)), "hmac-sha256")
ED = Key("k2", bytes(range(1, 33)), "ed25519")
OTHER = Key("k1", b"\x55" * 32, "hmac-sha256")
S1, S2, S3 = uuid7(1), uuid7(2), uuid7(3)
CASES = []


def f(kind, where=None, at=None, to=None):
    """An expected finding; `at` to `to` are sequences."""
    out = {"kind": kind}
    if at is not None:
        out |= {"from": at, "to": at if to is None else to}
    if where is not None:
        out["where"] = where if ":" in str(where) else f"events.ndjson:{where}"
    return out


def stream(id=S1, verdict="sound", envelopes=None, closed=None, findings=()):
    out = {"streamid": id, "verdict": verdict, "findings": list(findings)}
    if envelopes is not None:
        out["envelopes"] = envelopes
    if closed is not None:
        out["closed"] = closed
    return out


def text(envelope):
    return envelope if isinstance(envelope, str) else line(envelope)


def case(
    name,
    about,
    written,
    verdict,
    streams,
    *,
    exit=None,
    keys=(HMAC,),
    agents=None,
    options=None,
    checkpoints=None,
    files=None,
    tail=None,
    top=(),
    opens=(),
    **totals,
):
    """Adds a case. `written` goes into events.ndjson; `files` are further inputs; `opens` lists streams that are
    left open, with the last number of each and its line."""
    inputs = [{"name": "events.ndjson", "lines": [text(e) for e in written]}]
    if tail is not None:
        inputs[0]["tail"] = tail
    for other, lines in (files or {}).items():
        inputs.append({"name": other, "lines": [text(e) for e in lines]})
    out = {"name": name, "about": about, "inputs": inputs}
    if checkpoints is not None:
        out["checkpoints"] = [{"name": "checkpoints.ndjson", "lines": [text(e) for e in checkpoints]}]
    out["keys"] = [
        {"id": k.id} | k.verifying() | ({"agent": agents[k.id]} if agents and k.id in agents else {})
        for k in keys
    ]
    out["options"] = options or {}
    if verdict is None:
        out["expected"] = totals
    else:
        expected = {
            "verdict": verdict,
            "exit": exit if exit is not None else int(verdict not in ("sound", "incomplete")),
        }
        expected |= {"unsigned": 0, "malformed": 0, "lost": {}, "erased": 0, "open": len(opens)} | totals
        for id, at, where in opens:
            next(s for s in streams if s["streamid"] == id)["findings"].append(f("open", where, at))
        out["expected"] = expected | {"streams": list(streams), "findings": list(top)}
    CASES.append(out)


def small(key=HMAC, n=3, id=S1, close=True, **more):
    """opened, n events, closed."""
    s = Stream(id, key, **more)
    out = [s.opened()] + [s.tool(i) for i in range(n)]
    return s, out + ([s.closed()] if close else [])


def changed(envelope, **more):
    """An envelope with other attributes, and the old signature."""
    return envelope | more


def verdicts():
    for key in (HMAC, ED):
        _, e = small(key)
        case(
            f"sound_{key.alg.replace('-', '_')}",
            "A whole stream, opened and closed.",
            e,
            "sound",
            [stream(envelopes=5, closed=True)],
            keys=(key,),
            envelopes=5,
        )
    _, e = small()
    case(
        "unchecked_without_key",
        "The same without a key: anyone could have made it.",
        e,
        "unchecked",
        [stream(verdict="unchecked", closed=True)],
        keys=(),
    )
    _, e = small(None)
    case(
        "unsigned_without_key",
        "Unsigned, and no key given.",
        e,
        "unchecked",
        [stream(verdict="unchecked")],
        keys=(),
        unsigned=5,
    )
    _, e = small(close=False)
    case(
        "open_is_no_violation",
        "No closed at the end.",
        e,
        "sound",
        [stream(closed=False)],
        opens=[(S1, 4, 4)],
    )
    _, a = small(n=2)
    _, b = small(ED, id=S2, n=2)
    case(
        "interleaved",
        "Two streams of two keys, line by line.",
        [x for pair in zip(a, b) for x in pair],
        "sound",
        [stream(S1), stream(S2)],
        keys=(HMAC, ED),
    )
    case(
        "two_files",
        "Streams may go on in another file.",
        a[:2],
        "sound",
        [stream()],
        files={"more.ndjson": a[2:]},
    )
    _, e = small()
    case(
        "no_envelope",
        "Other tools' lines only.",
        ['{"level":"info","msg":"x"}'],
        None,
        [],
        error="verification",
    )
    case("empty", "Nothing at all.", [], None, [], error="verification")


def losses():
    s = Stream(S1, HMAC)
    e = [s.opened(), s.tool()]
    e += [s.loss("overflow", 3, [s.skip(3)]), s.tool(), s.closed()]
    case(
        "declared_skip",
        "Overflow dropped three before they were sealed; the chain is whole over them.",
        e,
        "incomplete",
        [stream(verdict="incomplete", findings=[f("declared_loss", 3, 3, 5)])],
        lost={"overflow": 3},
    )
    case(
        "declared_skip_strict",
        "The same with --strict.",
        e,
        "incomplete",
        [stream(verdict="incomplete", findings=[f("declared_loss", 3, 3, 5)])],
        exit=1,
        options={"strict": True},
        lost={"overflow": 3},
    )

    s = Stream(S1, HMAC)
    e = [s.opened(), s.tool(), s.tool(), s.tool()]
    e += [s.loss("rejected", 1, [{"from": seq(3), "to": seq(3)}]), s.closed()]
    case(
        "declared_after_sealing",
        "The receiver refused one; it is declared by its own number.",
        e[:2] + e[3:],
        "incomplete",
        [stream(verdict="incomplete", findings=[f("declared_loss", 4, 3)])],
        lost={"rejected": 1},
    )
    case("declared_but_there", "The same, and it turns up after all.", e, "sound", [stream()])

    s = Stream(S1, HMAC)
    e = [s.opened()] + [s.tool(i) for i in range(5)]
    e += [s.loss("uncertain", 2, [{"from": seq(2), "to": seq(6), "maybe": True}]), s.closed()]
    case(
        "declared_maybe",
        "Two of a batch of five refused, which the receiver would not say.",
        [e[0], e[1], e[3], e[5]] + e[6:],
        "incomplete",
        [stream(verdict="incomplete", findings=[f("declared_loss", 5, 3), f("declared_loss", 5, 5)])],
        lost={"uncertain": 2},
    )
    case(
        "declared_maybe_exceeded",
        "The same, but three are missing: one more than was refused.",
        [e[0], e[1], e[3]] + e[6:],
        "findings",
        [
            stream(
                verdict="findings",
                findings=[f("declared_loss", 4, 3), f("declared_loss", 4, 5), f("removed", 4, 6)],
            )
        ],
        lost={"uncertain": 2},
    )
    case("declared_maybe_none_missing", "The same, and all are there.", e, "sound", [stream()])

    s = Stream(S1, HMAC)
    e = [s.opened(), s.loss("overflow", 4, agentid="did:web:other"), s.closed()]
    case(
        "declared_by_count",
        "Losses of an agent without a stream: by count only.",
        e,
        "incomplete",
        [stream(verdict="incomplete", findings=[f("declared_loss", 2)])],
        lost={"overflow": 4},
    )

    s, a = small(n=3, close=False)
    t = Stream(S2, HMAC, start=5)
    b = [t.opened(why="restart", follows=s.head())]
    b += [t.loss("journal_damage", 2, [{"from": seq(3), "to": seq(4), "streamid": S1}]), t.closed()]
    case(
        "declared_of_predecessor",
        "A new process declares what its predecessor's journal lost.",
        a[:2] + b,
        "incomplete",
        [stream(S1, "incomplete", findings=[f("declared_loss", 4, 3, 4)]), stream(S2)],
        lost={"journal_damage": 2},
        opens=[(S1, 2, 2)],
    )

    s = Stream(S1, HMAC)
    e = [
        s.opened(),
        s.tool(),
        s.tool(),
        s.seal("policy.breach", {"reason": "overflow", "count": 1, "lost": [{"from": seq(2), "to": seq(2)}]}),
        s.closed(),
    ]
    case(
        "host_claims_a_loss",
        "A loss that a host event claims covers nothing up.",
        [e[0]] + e[2:],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 2, 2)])],
    )

    s = Stream(S1, HMAC)
    e = [s.opened(), s.tool(), s.tool()]
    forged = sign(s.loss("overflow", 1, [{"from": seq(2), "to": seq(2)}]), OTHER)
    case(
        "forged_declaration",
        "A declaration that another key signed covers nothing up.",
        [e[0], e[2], forged],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 2, 2), f("altered", 3, 4)])],
        opens=[(S1, 3, 2)],
    )

    s = Stream(S1, HMAC)
    e = [s.opened(), s.loss("overflow", 1, [{"from": seq(4), "to": seq(4)}]), s.tool(), s.tool(), s.tool()]
    case(
        "declared_ahead",
        "A declaration is about what came before it.",
        e[:3] + e[4:],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 4, 4)])],
        opens=[(S1, 5, 4)],
    )

    s = Stream(S1, HMAC, lane="siem")
    e = [
        s.opened(),
        s.loss("overflow", 7, [{"from": seq(3), "to": seq(9)}], lane="debug", streamid=S2),
        s.closed(),
    ]
    case(
        "loss_of_another_lane",
        "The copy that siem and audit lanes get is about another lane's stream.",
        e,
        "sound",
        [stream()],
    )


def holes():
    s = Stream(S1, HMAC)
    e = [s.opened(), s.tool()]
    s.skip(2)
    e += [s.tool(), s.closed()]
    case(
        "gap",
        "Two numbers skipped and not declared; the chain is whole over them.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("gap", 3, 3, 4)])],
    )

    _, e = small()
    case(
        "removed",
        "A line taken out.",
        e[:2] + e[3:],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 3, 3)])],
    )
    case(
        "removed_without_key",
        "A line taken out; no key is needed to see it.",
        e[:2] + e[3:],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 3, 3)])],
        keys=(),
    )
    case(
        "removed_head",
        "What lay before the first envelope present.",
        e[2:],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 1, 1, 2)])],
    )
    case(
        "partial",
        "The same with --partial: one file of a rotated set.",
        e[2:],
        "sound",
        [stream()],
        options={"partial": True},
    )
    case(
        "cut_tail_alone_is_not_seen",
        "A tail cut off without a checkpoint: open, in an unknown way.",
        e[:3],
        "sound",
        [stream(closed=False)],
        opens=[(S1, 3, 3)],
    )

    s = Stream(S1, HMAC)
    e = [s.opened()] + [s.tool(i) for i in range(3)]
    lost = s.loss("rejected", 1, [{"from": seq(3), "to": seq(3)}])
    e += [lost, s.closed()]
    case(
        "partly_declared",
        "One of two missing numbers is declared.",
        [e[0]] + e[3:],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 2, 2), f("declared_loss", 3, 3)])],
        lost={"rejected": 1},
    )


def doubles():
    _, e = small()
    again = f("duplicate", 3, 2)
    case(
        "duplicate",
        "A retry: the same envelope twice.",
        e[:2] + e[1:],
        "sound",
        [stream(envelopes=5, findings=[again])],
    )
    case(
        "duplicate_strict",
        "The same with --strict.",
        e[:2] + e[1:],
        "findings",
        [stream(verdict="findings", findings=[again])],
        options={"strict": True},
    )
    case(
        "reordered",
        "Two lines swapped.",
        [e[0], e[2], e[1]] + e[3:],
        "sound",
        [stream(findings=[f("reordered", 3, 2)])],
    )
    case(
        "reordered_strict",
        "The same with --strict.",
        [e[0], e[2], e[1]] + e[3:],
        "findings",
        [stream(verdict="findings", findings=[f("reordered", 3, 2)])],
        options={"strict": True},
    )
    case(
        "order_of_files",
        "The order of files is no finding.",
        e[3:],
        "sound",
        [stream()],
        files={"older.ndjson": e[:3]},
    )

    s, e = small(n=1, close=False)
    fork = Stream(S1, HMAC)
    fork.next, fork.prev, fork.clock = 2, e[1]["prevhash"], 9
    twin = fork.tool(99)
    more = [s.tool(), s.closed()]
    case(
        "conflict",
        "Two good envelopes with one sequence.",
        e + [twin] + more,
        "findings",
        [stream(verdict="findings", envelopes=5, findings=[f("conflict", 3, 2)])],
    )
    case(
        "conflict_forged_first",
        "The same, the forged one first: the chain goes on from the other.",
        [e[0], twin, e[1]] + more,
        "findings",
        [stream(verdict="findings", findings=[f("conflict", 3, 2)])],
    )
    case(
        "duplicate_with_changed_data",
        "A copy with other data and the old signature.",
        e + [e[1] | {"data": {"tool": "shell"}}] + more,
        "findings",
        [stream(verdict="findings", findings=[f("altered", 3, 2)])],
    )
    case(
        "open_behind_a_forged_end",
        "A copy of the last envelope with other data stands before it: the end is where the true one stands.",
        [e[0], e[1] | {"data": {"tool": "shell"}}, e[1]],
        "findings",
        [stream(verdict="findings", findings=[f("altered", 2, 2)])],
        opens=[(S1, 2, 3)],
    )
    reseal = sign(e[1] | {"recordedtime": "2026-01-01T00:09:00.000000000Z"}, HMAC)
    case(
        "conflict_same_content",
        "The same event sealed twice is no retry.",
        e + [reseal] + more,
        "findings",
        [stream(verdict="findings", findings=[f("conflict", 3, 2)])],
    )


def alterations():
    _, e = small()
    one = lambda at, to=None: [stream(verdict="findings", findings=[f("altered", at, at)])]
    changes = {
        "data": {"data": {"tool": "shell", "outcome": "ok", "n": 1}},
        "type": {"type": "dev.sinkwell.heartbeat"},
        "time": {"time": "2026-01-01T00:00:59.000000000Z"},
        "prevhash": {"prevhash": "0" * 64},
        "origin": {"origin": "core"},
        "extra_member": {"zzz": "1"},
        "signature": {"signature": base64.b64encode(bytes(32)).decode()},
        "signature_not_base64": {"signature": "not base64!"},
        "sigalg": {"sigalg": "ed25519"},
        "keyid_no_string": {"keyid": 7},
        "agentid": {"agentid": "did:web:somebody-else"},
    }
    for name, change in changes.items():
        case(
            f"altered_{name}",
            f"One field changed in one envelope ({name}): one finding.",
            e[:2] + [changed(e[2], **change)] + e[3:],
            "findings",
            one(3),
        )
    without = {k: v for k, v in e[2].items() if k != "agentid"}
    case("altered_member_taken_out", "A member taken out.", e[:2] + [without] + e[3:], "findings", one(3))
    case(
        "altered_first",
        "The first envelope changed.",
        [changed(e[0], source="x")] + e[1:],
        "findings",
        one(1),
    )
    case(
        "altered_last",
        "The last envelope changed: the stream is not closed by it.",
        e[:4] + [changed(e[4], source="x")],
        "findings",
        [stream(verdict="findings", closed=False, findings=[f("altered", 5, 5)])],
        opens=[(S1, 4, 4)],
    )
    case(
        "altered_twice",
        "Two of them changed.",
        [e[0], changed(e[1], source="x"), e[2], changed(e[3], source="x"), e[4]],
        "findings",
        [stream(verdict="findings", findings=[f("altered", 2, 2), f("altered", 4, 4)])],
    )
    case(
        "altered_without_key",
        "Without a key the chain alone shows it, one envelope later.",
        e[:2] + [changed(e[2], source="x")] + e[3:],
        "findings",
        [stream(verdict="findings", findings=[f("altered", 4, 4)])],
        keys=(),
    )
    case(
        "altered_then_good",
        "A changed copy before the good one: the good one fills the place.",
        e[:2] + [changed(e[2], source="x")] + e[2:],
        "findings",
        [stream(verdict="findings", findings=[f("altered", 3, 3)])],
    )
    case(
        "forged_by_another_key",
        "A line signed by another key of the same id.",
        e[:4] + [sign(e[4], OTHER)],
        "findings",
        [stream(verdict="findings", closed=False, findings=[f("altered", 5, 5)])],
        opens=[(S1, 4, 4)],
    )

    s, e = small(n=1, close=False)
    s.prev = "ab" * 32
    e += [s.tool(), s.closed()]
    case(
        "altered_chain",
        "Good signatures, but a link that leads to nothing.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("altered", 3, 3)])],
    )
    s, e = small(n=1, close=False)
    s.prev = None
    e += [s.tool(), s.closed()]
    case(
        "altered_second_start",
        "Only the first has no prevhash.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("altered", 3, 3)])],
    )
    s, e = small(n=1, close=False)
    e += [s.tool(agentid="did:web:other"), s.tool(), s.closed()]
    case(
        "altered_agent_within_stream",
        "Sealed by the key, but of another agent than the stream's.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("altered", 3, 3)])],
    )
    _, e = small(agent="did:web:example.com:agents:buyer")
    case(
        "key_bound_to_its_agent",
        "A key bound to the agents it may seal for.",
        e,
        "sound",
        [stream()],
        agents={"k1": "did:web:example.com:agents:*"},
    )
    case(
        "key_bound_to_another_agent",
        "The same, bound to others.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("altered", n, n) for n in range(1, 6)])],
        agents={"k1": "did:web:other:*"},
    )


class Given:
    """A key as a person gives it: what stands in its file, and what is put before that."""

    def __init__(self, id, raw, name=""):
        self.id, self.raw, self.name = id, raw, name

    def verifying(self):
        return {"given_base64": base64.b64encode(self.raw).decode()} | (
            {"name": self.name} if self.name else {}
        )


def given_keys():
    """A public key that is read as an HMAC key is one that everybody has: he who knows it forges `sound`."""
    pem = ED.verifying()["spki_pem"].encode()
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    raw = der[-32:]
    b64url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    wire = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw
    forms = {
        "bom": ("a PEM behind a byte order mark", b"\xef\xbb\xbf" + pem),
        "utf_16": ("a PEM in UTF-16", pem.decode().encode("utf-16")),
        "comment": ("a PEM below a line of comment", b"# the agent's key\n" + pem),
        "der": ("SPKI in DER", der),
        "raw": ("the 32 bytes of an Ed25519 key", raw),
        "hex": ("the same in hex", raw.hex().encode() + b"\n"),
        "base64": ("the same in base64", base64.b64encode(raw) + b"\n"),
        "jwk": ("a JWK", json.dumps({"kty": "OKP", "crv": "Ed25519", "x": b64url}).encode()),
        "openssh": ("a line of OpenSSH", b"ssh-ed25519 " + base64.b64encode(wire) + b" agent@host\n"),
        "hmac": ("an HMAC key that is not named one", HMAC.secret),
    }
    both = {"error": "key", "message": ["ed25519:", "hmac:"]}
    for form, (what, given) in forms.items():
        # What he would have forged, had this been taken for an HMAC key.
        _, e = small(Key("k2", given, "hmac-sha256"))
        keys = (Given("k2", given),)
        case(f"key_{form}", f"Not SPKI PEM, and not named: {what}.", e, None, (), keys=keys, **both)
    _, e = small(ED)
    case("key_pem", "An SPKI PEM needs no name.", e, "sound", [stream()], keys=(Given("k2", pem),))
    named = (Given("k2", pem, "ed25519:"),)
    case("key_named_ed25519", "An SPKI PEM, named.", e, "sound", [stream()], keys=named)
    _, e = small(HMAC)
    named = (Given("k1", HMAC.secret, "hmac:"),)
    case("key_named_hmac", "An HMAC key, named.", e, "sound", [stream()], keys=named)
    for form in ("bom", "comment", "der"):
        keys = (Given("k2", forms[form][1], "ed25519:"),)
        case(
            f"key_named_ed25519_{form}",
            f"Named ed25519:, but {forms[form][0]}.",
            e,
            None,
            (),
            keys=keys,
            error="key",
        )
    for form in ("bom", "comment"):
        keys = (Given("k2", forms[form][1], "hmac:"),)
        case(
            f"key_named_hmac_{form}",
            f"A PEM is no HMAC key: {forms[form][0]}.",
            e,
            None,
            (),
            keys=keys,
            error="key",
        )
    keys = (Given("k1", b"k" * 31, "hmac:"),)
    case("key_named_hmac_short", "An HMAC key of 31 bytes.", e, None, (), keys=keys, error="key")


def keys():
    _, e = small(None, n=1)
    case(
        "unsigned",
        "No signatures, though a key was given.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("unsigned", 1, 1, 3)])],
        unsigned=3,
    )
    _, e = small()
    case(
        "signature_taken_away",
        "One signature taken away, where each is signed: it is said, though the next one covers the envelope.",
        e[:2] + [unsigned(e[2])] + e[3:],
        "findings",
        [stream(verdict="findings", findings=[f("unsigned", 3, 3)])],
        unsigned=1,
    )
    _, e = small(ED, n=1)
    case(
        "unknown_key",
        "Sealed by a key that was not given.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("unknown_key", 1, 1, 3)])],
    )

    def change(late):
        s = Stream(S1, HMAC)
        e = [s.opened(), s.tool()]
        e += [s.retiring(ED), s.active(ED)]
        e.append(s.tool(key=HMAC if late else None))
        return e + [s.closed()]

    case(
        "key_changed",
        "From one key to another, both given.",
        change(False),
        "sound",
        [stream()],
        keys=(HMAC, ED),
    )
    case(
        "key_changed_new_not_given",
        "Naming is not trust: the new key was not given.",
        change(False),
        "findings",
        [stream(verdict="findings", closed=False, findings=[f("unknown_key", 4, 4, 6)])],
        opens=[(S1, 3, 3)],
    )
    case(
        "retired_key",
        "The old key seals once more.",
        change(True),
        "findings",
        [stream(verdict="findings", findings=[f("retired_key", 5, 5)])],
        keys=(HMAC, ED),
    )
    e = change(True)
    case(
        "retired_key_read_first",
        "The same, read before the announcement.",
        e[:2] + [e[4]] + e[2:4] + e[5:],
        "findings",
        [stream(verdict="findings", findings=[f("retired_key", 3, 5), f("reordered", 4, 3)])],
        keys=(HMAC, ED),
    )


def forms():
    s, e = small()
    e.append(s.tool())
    case(
        "after_close",
        "Something follows closed.",
        e,
        "findings",
        [stream(verdict="findings", closed=True, findings=[f("after_close", 6, 6)])],
    )
    case(
        "after_close_read_first",
        "The same, read before closed.",
        e[:4] + [e[5], e[4]],
        "findings",
        [stream(verdict="findings", closed=True, findings=[f("after_close", 5, 6), f("reordered", 6, 5)])],
    )

    _, e = small()
    lines = [text(x) for x in e]
    case(
        "malformed_lines",
        "Another tool's line, one that is not JSON, a list, a number; blank lines are nothing.",
        [lines[0], '{"level":"info"}', "Traceback (most recent call last):", "[1,2]", "7", "", "  "]
        + lines[1:],
        "findings",
        [stream()],
        malformed=4,
        top=[f("malformed", n) for n in (2, 3, 4, 5)],
    )
    case(
        "malformed_half_line",
        "Half a line in the middle.",
        [lines[0], lines[1][:200]] + lines[2:],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 3, 2)])],
        malformed=1,
        top=[f("malformed", 2)],
    )
    case(
        "malformed_repeated_key",
        "A key that is there twice: readers would differ on it.",
        lines[:4] + [lines[4][:-1] + ',"type":"x"}'],
        "findings",
        [stream(closed=False)],
        malformed=1,
        top=[f("malformed", 5)],
        opens=[(S1, 4, 4)],
    )
    form = sign({k: v for k, v in e[2].items() if k != "source"}, HMAC)
    case(
        "malformed_form",
        "Signed, but without an attribute that every envelope has.",
        e[:2] + [form],
        "findings",
        [stream(verdict="findings", findings=[f("malformed", 3, 3)])],
        malformed=1,
        opens=[(S1, 3, 3)],
    )
    case(
        "torn",
        "The last line is unfinished.",
        e[:4],
        "sound",
        [stream(closed=False)],
        tail=lines[4][:100],
        top=[f("torn", 5)],
        opens=[(S1, 4, 4)],
    )
    case(
        "torn_strict",
        "The same with --strict.",
        e[:4],
        "findings",
        [stream(verdict="findings", closed=False)],
        tail=lines[4][:100],
        top=[f("torn", 5)],
        options={"strict": True},
        opens=[(S1, 4, 4)],
    )
    case(
        "no_last_newline_no_envelope",
        "The last line is whole JSON, but no envelope: that is not torn.",
        e[:4],
        "findings",
        [stream(closed=False)],
        tail='{"sequence":"x"}',
        malformed=1,
        top=[f("malformed", 5)],
        opens=[(S1, 4, 4)],
    )
    case(
        "no_last_newline",
        "The last line has no newline, but is whole.",
        e[:4],
        "sound",
        [stream(closed=True)],
        tail=lines[4],
    )
    pretty = json.dumps(e[2], indent=None, separators=(", ", ": "), ensure_ascii=True)
    case(
        "not_canonical",
        "A pipeline re-serialized one envelope: content right, bytes not.",
        lines[:2] + [pretty] + lines[3:],
        "sound",
        [stream(findings=[f("not_canonical", 3, 3)])],
    )
    case(
        "not_canonical_strict",
        "The same with --strict.",
        lines[:2] + [pretty] + lines[3:],
        "findings",
        [stream(verdict="findings", findings=[f("not_canonical", 3, 3)])],
        options={"strict": True},
    )
    s, e = small(n=1, close=False)
    e += [
        s.seal(
            "tool.invocation",
            {"tool": "t", "f": [0.1, 1e21, 1e-7, 333333333.33333329, 4.5, -0.0], "s": "\u20ac\n\u0001"},
        )
    ]
    e += [s.closed()]
    case("canonical_numbers", "Numbers and strings in data as RFC 8785 writes them.", e, "sound", [stream()])

    s, e = small(n=1, close=False)
    minor = s.tool(dataschema=sealer.SCHEMA[:-1] + "7", newattribute="kept")
    case(
        "minor_version",
        "A minor version of a known major, with an attribute that is not known.",
        e + [minor],
        "sound",
        [stream()],
        opens=[(S1, 3, 3)],
    )
    s, e = small(n=1, close=False)
    major = s.tool(dataschema=sealer.SCHEMA[:-3] + "2.0")
    case(
        "unknown_schema",
        "A major version that is not known.",
        e + [major, s.closed()],
        "findings",
        [stream(verdict="findings", findings=[f("unknown_schema", 3, 3)])],
    )


def checkpoints():
    s = Stream(S1, HMAC)
    e = [s.opened(), s.tool(), s.tool()]
    e += [s.checkpoint(), s.tool(), s.closed()]
    marks = [e[3], e[5]]
    case(
        "checkpoints_agree", "A whole stream and its checkpoints.", e, "sound", [stream()], checkpoints=marks
    )
    case(
        "truncated",
        "The tail is cut off; the checkpoint file knows.",
        e[:3],
        "findings",
        [stream(verdict="findings", findings=[f("truncated", "checkpoints.ndjson:2", 4, 6)])],
        checkpoints=marks,
        opens=[(S1, 3, 3)],
    )
    case(
        "truncated_before_a_line_without_key",
        "The tail is cut off, and a line that nobody signed put where it ended: that fills its own number alone.",
        [*e[:3], unsigned(e[5])],
        "findings",
        [
            stream(
                verdict="findings",
                findings=[f("truncated", "checkpoints.ndjson:2", 4, 5), f("unsigned", 4, 6)],
            )
        ],
        checkpoints=marks,
        opens=[(S1, 3, 3)],
        unsigned=1,
    )
    case(
        "truncated_closed_only",
        "Only closed is cut off.",
        e[:5],
        "findings",
        [stream(verdict="findings", findings=[f("truncated", "checkpoints.ndjson:2", 6)])],
        checkpoints=marks,
        opens=[(S1, 5, 5)],
    )
    _, other = small(id=S2)
    case(
        "missing_stream",
        "A stream is taken away as a whole; the checkpoint file knows.",
        other,
        "findings",
        [stream(S2)],
        checkpoints=marks,
        top=[f("missing_stream", "checkpoints.ndjson:2")],
    )
    _, foreign = small(id=S2, lane="stdout")
    case(
        "checkpoints_of_another_lane",
        "Checkpoints are matched by lane: of these, none is about the input, and nothing can be said by them.",
        foreign,
        None,
        [],
        checkpoints=marks,
        error="verification",
    )
    case(
        "checkpoint_forged",
        "A checkpoint that another key signed says nothing, and is named.",
        e[:3],
        "findings",
        [stream()],
        checkpoints=[sign(e[5], OTHER)],
        top=[f("altered", "checkpoints.ndjson:1", 6)],
        opens=[(S1, 3, 3)],
    )
    case(
        "checkpoint_file_empty",
        "A checkpoint file without a checkpoint cannot be held against anything.",
        e,
        None,
        [],
        checkpoints=[],
        error="verification",
    )

    fork = Stream(S1, HMAC)
    rewritten = [fork.opened(), fork.tool(7), fork.tool(8), fork.tool(9), fork.tool(), fork.closed()]
    case(
        "history_rewritten",
        "The key's holder wrote another history; the checkpoint kept elsewhere shows it.",
        rewritten,
        "findings",
        [
            stream(
                verdict="findings",
                findings=[
                    f("altered", "checkpoints.ndjson:1", 3),
                    f("conflict", "checkpoints.ndjson:1", 4),
                    f("altered", "checkpoints.ndjson:2", 5),
                    f("conflict", "checkpoints.ndjson:2", 6),
                ],
            )
        ],
        checkpoints=marks,
    )

    a = Stream(S1, HMAC)
    b = Stream(S2, HMAC, agent="did:web:other")
    first, theirs = [a.opened()], [b.opened(), b.tool(), b.tool()]
    listed = [b.head() | {"agentid": b.agent, "state": "open"}]
    first += [a.checkpoint(streams=listed), a.closed(streams=[])]
    case(
        "listed_stream",
        "A checkpoint of the lane's own stream lists the others.",
        first[:1] + theirs + first[1:],
        "sound",
        [stream(S1), stream(S2)],
        opens=[(S2, 3, 4)],
    )
    case(
        "listed_stream_truncated",
        "The same, and the other is cut off.",
        first[:1] + theirs[:2] + first[1:],
        "findings",
        [stream(S1), stream(S2, "findings", findings=[f("truncated", 4, 3)])],
        opens=[(S2, 2, 3)],
    )
    case(
        "listed_stream_missing",
        "The same, and the other is gone.",
        first,
        "findings",
        [stream(S1)],
        top=[f("missing_stream", 2)],
    )
    case(
        "listed_stream_missing_partial",
        "With --partial it may lie in another file.",
        first,
        "sound",
        [stream(S1)],
        options={"partial": True},
    )

    a = Stream(S1, HMAC)
    b = Stream(S2, HMAC, agent="did:web:other")
    first, theirs = [a.opened()], [b.opened(), b.tool(), b.tool()]
    first += [a.heartbeat([b.head()])]
    case(
        "heartbeat_names_a_cut_tail",
        "A heartbeat's heads count as well.",
        first[:1] + theirs[:2] + first[1:],
        "findings",
        [stream(S1), stream(S2, "findings", findings=[f("truncated", 4, 3)])],
        opens=[(S1, 2, 4), (S2, 2, 3)],
    )

    lane = Stream(S1, HMAC, lane="archive")
    far = Stream(S2, HMAC, lane="file")
    e = [lane.opened(), lane.tool()]
    _ = [far.opened(), far.tool()]
    e += [far.checkpoint(), lane.tool(), lane.closed()]
    case(
        "lane_that_takes_checkpoints",
        "A lane that takes another lane's checkpoints holds nothing else of it: a note says so.",
        e,
        "sound",
        [stream(S1), stream(S2)],
        top=[f("missing_lane", 3)],
    )

    s, a = small(n=1, close=False)
    t = Stream(S2, HMAC, start=3)
    b = [t.opened(why="restart", follows=s.head()), t.tool(), t.closed()]
    case("follows", "A stream that goes on from another.", a + b, "sound", [stream(S1), stream(S2)])
    case(
        "follows_missing",
        "The one before is not there: a note.",
        b,
        "sound",
        [stream(S2)],
        top=[f("missing_stream", 1)],
    )
    case(
        "follows_missing_strict",
        "The same with --strict.",
        b,
        "findings",
        [stream(S2)],
        top=[f("missing_stream", 1)],
        options={"strict": True},
    )
    case(
        "follows_truncated",
        "The one before is shorter than the one after it says.",
        a[:1] + b,
        "findings",
        [stream(S1, "findings", findings=[f("truncated", 2, 2)]), stream(S2)],
        opens=[(S1, 1, 1)],
    )


def silences():
    a, b = Stream(S1, HMAC), Stream(S2, HMAC, agent="did:web:other")
    e = [a.opened(clock=0), b.opened(clock=0), b.tool(clock=5), a.tool(clock=200)]
    case(
        "silence",
        "Neither closed nor heard of for 90 s.",
        e,
        "findings",
        [stream(S1), stream(S2, "findings", findings=[f("silence", 3, 2)])],
        options={"silence": "90s"},
        opens=[(S1, 2, 4), (S2, 2, 3)],
    )
    case(
        "silence_not_asked",
        "Without --silence it is no finding.",
        e,
        "sound",
        [stream(S1), stream(S2)],
        opens=[(S1, 2, 4), (S2, 2, 3)],
    )
    case(
        "silence_longer_limit",
        "Within the limit.",
        e,
        "sound",
        [stream(S1), stream(S2)],
        options={"silence": "5m"},
        opens=[(S1, 2, 4), (S2, 2, 3)],
    )
    a, b = Stream(S1, HMAC), Stream(S2, HMAC, agent="did:web:other")
    e = [
        a.opened(clock=0),
        b.opened(clock=0),
        b.tool(clock=5),
        a.heartbeat([b.head()], clock=150),
        a.tool(clock=200),
    ]
    case(
        "silence_heartbeat_counts",
        "The lane's heartbeat has heard of it.",
        e,
        "sound",
        [stream(S1), stream(S2)],
        options={"silence": "90s"},
        opens=[(S1, 3, 5), (S2, 2, 3)],
    )
    a, b = Stream(S1, HMAC), Stream(S2, HMAC, agent="did:web:other")
    e = [a.opened(clock=0), b.opened(clock=0), b.closed(clock=5), a.tool(clock=200)]
    case(
        "silence_closed",
        "A closed stream may be silent.",
        e,
        "sound",
        [stream(S1), stream(S2)],
        options={"silence": "90s"},
        opens=[(S1, 2, 4)],
    )


def edges():
    s = Stream(S1, HMAC)
    who = None
    e = [s.opened()]
    who = s.seal("identity.assertion", {"assertion": "verified"})
    leave = s.seal("policy.decision", {"decision": "allow"})
    e += [who, leave]
    e += [s.seal("tool.invocation", {"tool": "t", "authz": {"identity": who["id"], "decision": leave["id"]}})]
    e += [s.closed()]
    case("edges", "Authorization edges that lead somewhere.", e, "sound", [stream()], options={"edges": True})
    s = Stream(S1, HMAC)
    e = [s.opened()]
    e += [
        s.seal("tool.invocation", {"tool": "t", "authz": {"decision": uuid7(77), "delegated_by": e[0]["id"]}})
    ]
    case(
        "missing_edge",
        "One that leads nowhere.",
        e,
        "sound",
        [stream(findings=[f("missing_edge", 2, 2)])],
        options={"edges": True},
        opens=[(S1, 2, 2)],
    )
    case(
        "missing_edge_strict",
        "The same with --strict.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("missing_edge", 2, 2)])],
        options={"edges": True, "strict": True},
        opens=[(S1, 2, 2)],
    )
    case(
        "missing_edge_not_asked",
        "Without --edges it is no finding.",
        e,
        "sound",
        [stream()],
        opens=[(S1, 2, 2)],
    )


def deed(s, phase, intent=None, **data):
    cause = {"causationid": intent["id"]} if intent else {}
    return s.seal("tool.invocation", {"tool": "pay", "phase": phase} | data, **cause)


def deeds():
    s = Stream(S1, HMAC)
    e = [s.opened()]
    e.append(deed(s, "intent"))
    e.append(deed(s, "result", e[1], outcome="ok", duration_ms=12))
    e.append(s.closed())
    case("deed", "A deed: its intent, and what came of it.", e, "sound", [stream()])
    s = Stream(S1, HMAC)
    e = [s.opened()]
    e.append(deed(s, "intent"))
    e.append(deed(s, "intent"))
    e.append(deed(s, "result", e[1], outcome="error"))
    case(
        "deed_unfinished",
        "Two intents; the process ended in the act of the second.",
        e,
        "sound",
        [stream(findings=[f("unfinished", 3, 3)])],
        opens=[(S1, 4, 4)],
    )
    case(
        "deed_unfinished_strict",
        "The same with --strict.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("unfinished", 3, 3)])],
        options={"strict": True},
        opens=[(S1, 4, 4)],
    )
    s = Stream(S1, HMAC)
    e = [s.opened()]
    lost = deed(Stream(S2, HMAC), "intent")
    e.append(deed(s, "result", lost, outcome="ok"))
    e.append(s.closed())
    case(
        "deed_result_alone",
        "A result whose intent is nowhere.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("result_alone", 2, 2)])],
    )
    case(
        "deed_result_alone_partial",
        "In one file of a rotated set, the intent may be in another.",
        e,
        "sound",
        [stream(findings=[f("result_alone", 2, 2)])],
        options={"partial": True},
    )
    s = Stream(S1, HMAC)
    e = [s.opened()]
    e.append(deed(s, "intent"))
    e.append(deed(s, "result", e[1], outcome="ok"))
    e.append(deed(s, "result", e[1], outcome="error"))
    e.append(s.closed())
    case(
        "deed_two_results",
        "A deed with two results: an act is done once.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("second_result", 4, 4)])],
    )
    s = Stream(S1, HMAC)
    e = [s.opened()]
    early = uuid7(0x7E57)
    e.append(deed(s, "result", {"id": early}, outcome="ok"))
    e.append(s.seal("tool.invocation", {"tool": "pay", "phase": "intent"}, id=early))
    e.append(s.closed())
    case(
        "deed_early_result",
        "A result that stands before its intent.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("early_result", 2, 2)])],
    )
    a, b = Stream(S1, HMAC), Stream(S2, HMAC)
    e = [a.opened()]
    e.append(deed(a, "intent"))
    e.append(b.opened(follows=a.head()))
    e.append(deed(b, "result", e[1], outcome="ok"))
    e.append(b.closed())
    case(
        "deed_over_two_streams",
        "The stream ended between the intent and its result.",
        e,
        "sound",
        [stream(), stream(S2)],
    )
    a, b = Stream(S1, HMAC), Stream(S2, HMAC, agent="did:web:other")
    e = [a.opened()]
    e.append(deed(a, "intent"))
    e.append(a.closed())
    e.append(b.opened())
    e.append(deed(b, "result", e[1], outcome="ok"))
    e.append(b.closed())
    case(
        "deed_of_another_agent",
        "A result by another agent is none.",
        e,
        "findings",
        [
            stream(findings=[f("unfinished", 2, 2)]),
            stream(S2, verdict="findings", findings=[f("result_alone", 5, 2)]),
        ],
    )


def erased(a, b, **more):
    return {"streamid": S1, "agentid": "urn:sinkwell:agent:demo", "from": seq(a), "to": seq(b)} | more


def stubs():
    s, e = small(n=3, close=False)
    e += [s.retention([erased(2, 3)]), s.closed()]
    cut = [e[0], stub(e[1]), stub(e[2])] + e[3:]
    case(
        "erased",
        "Two envelopes of which retention left the stubs.",
        cut,
        "incomplete",
        [stream(verdict="incomplete", envelopes=4, findings=[f("erased", 2, 2, 3)])],
        erased=2,
    )
    case(
        "erased_without_retention",
        "The same stubs, without the retention that covers them.",
        cut[:4],
        "findings",
        [stream(verdict="findings", findings=[f("removed", 2, 2, 3)])],
        opens=[(S1, 4, 4)],
    )
    case(
        "erased_beyond_retention",
        "One stub more than retention covers.",
        cut[:3] + [stub(e[3])] + e[4:],
        "findings",
        [stream(verdict="findings", findings=[f("erased", 2, 2, 3), f("removed", 4, 4)])],
        erased=2,
    )
    wrong = stub(e[1]) | {"eventdigest": "ab" * 32}
    case(
        "stub_forged",
        "A stub with another digest, and the old signature.",
        [e[0], wrong] + cut[2:],
        "findings",
        [stream(verdict="findings", findings=[f("altered", 2, 2), f("erased", 3, 3)])],
        erased=1,
    )
    case(
        "stub_and_envelope",
        "The stub and the envelope itself: it is not erased here.",
        cut[:2] + e[1:2] + cut[2:],
        "incomplete",
        [stream(verdict="incomplete", findings=[f("erased", 4, 3)])],
        erased=1,
    )


def disclosures():
    s = Stream(S1, HMAC)
    commit, clear = part("tell me a secret")
    e = [s.opened(), s.seal("tool.invocation", {"tool": "t", "content": [commit]}), s.closed()]

    def disclosed(*list):
        return [e[0], e[1] | {"data": e[1]["data"] | {"disclosures": [*list]}}, e[2]]

    case("disclosed", "A disclosure beside its commitment.", disclosed(clear), "sound", [stream()])
    case("disclosure_stripped", "Taken away: the evidence verifies alike.", e, "sound", [stream()])
    raw = base64.b64encode(b"tell me a secret").decode()
    case(
        "disclosed_bytes",
        "The same as bytes.",
        disclosed({"part": 0, "salt": clear["salt"], "bytes": raw}),
        "sound",
        [stream()],
    )
    wrong = {
        "text": clear | {"text": "tell me a sEcret"},
        "salt": clear | {"salt": base64.b64encode(b"\x02" * 16).decode()},
        "salt_length": clear | {"salt": base64.b64encode(b"\x01" * 15).decode()},
        "size": clear | {"text": "tell me a secret!"},
        "part": clear | {"part": 1},
        "member": clear | {"more": 1},
        "both": {"part": 0, "text": clear["text"], "bytes": raw},
    }
    for name, one in wrong.items():
        case(
            f"disclosure_wrong_{name}",
            "A disclosure that is not what the envelope commits to.",
            disclosed(one),
            "findings",
            [stream(verdict="findings", findings=[f("altered", 2, 2)])],
        )
    case(
        "disclosure_twice",
        "At most one per part.",
        disclosed(clear, clear),
        "findings",
        [stream(verdict="findings", findings=[f("altered", 2, 2)])],
    )


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for group in (
        verdicts,
        losses,
        holes,
        doubles,
        alterations,
        keys,
        given_keys,
        forms,
        checkpoints,
        silences,
        edges,
        deeds,
        stubs,
        disclosures,
    ):
        sealer.Stream.ids = 0
        group()
    for group in vectors_seal.GROUPS:
        sealer.Stream.ids = 0
        group(case, f, stream)
    names = [c["name"] for c in CASES]
    assert len(set(names)) == len(names), "names must be unique"
    for old in directory.glob("*.json"):
        old.unlink()
    for c in CASES:
        (directory / f"{c['name']}.json").write_text(json.dumps(c, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(CASES)} cases")


if __name__ == "__main__":
    main()
