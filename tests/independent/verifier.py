"""A second verifier, written from docs/FORMAT.md: plain Python, everything in memory, no code of the core.

It answers for the input what `sinkwell verify --format json` answers, without notes and places' file names beyond
`name:line`.
"""

import base64
import collections
import datetime
import fnmatch
import hashlib
import hmac
import re

import jcs

PREFIX = b"sinkwell-event-v1\n"
SCHEMA = "https://sinkwell.dev/schemas/governance-event/"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
HEX = re.compile(r"[0-9a-f]{64}")
SEVERITY = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}
NOTES = {"duplicate", "reordered", "not_canonical", "torn", "missing_edge"}
ORDER = ["sound", "incomplete", "unchecked", "findings"]


class NoEnvelope(Exception):
    pass


def sequence(text):
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{20}", text):
        return None
    return int(text) if 1 <= int(text) < 2**53 else None


def signing_input(e):
    e = {k: v for k, v in e.items() if k != "signature"}
    if isinstance(e.get("data"), dict):
        e["data"] = {k: v for k, v in e["data"].items() if k != "disclosures"}
    return PREFIX + jcs.canonical(e)


def unbase64(text):
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        return None


def is_json(line):
    try:
        jcs.parse(line.encode())
        return True
    except (ValueError, RecursionError):
        return False


def form_fault(e):
    def text(key, test=lambda s: True):
        return isinstance(e.get(key), str) and e[key] and test(e[key])

    good = (
        e.get("specversion") == "1.0"
        and text("id")
        and text("source")
        and text("type", lambda s: re.fullmatch(r"[A-Za-z0-9._-]+", s))
        and text("time", TIME.fullmatch)
        and text("recordedtime", TIME.fullmatch)
        and e.get("datacontenttype") == "application/json"
        and text("dataschema", lambda s: s.startswith(SCHEMA))
        and isinstance(e.get("data"), dict)
        and text("agentid")
        and SEVERITY.get(e.get("severitytext"), 0) == e.get("severitynumber")
        and e.get("origin", "core") == "core"
        and HEX.fullmatch(e.get("prevhash", "0" * 64))
    )
    return not good or any(v is None or v == "" for v in e.values())


def own_check(e, keys):
    """The kind of finding that an envelope by itself deserves (or None), and the key that sealed it."""
    schema = e.get("dataschema")
    if isinstance(schema, str) and schema.startswith(SCHEMA) and schema[len(SCHEMA) :].split(".")[0] != "1":
        return "unknown_schema", None
    seal = [e.get(k) for k in ("sigalg", "keyid", "signature")]
    if keys:
        if seal == [None] * 3:
            return "unsigned", None
        if None in seal:
            return "altered", None
        named = [k for k in keys if k["id"] == e["keyid"]]
        if not named:
            return "unknown_key", None
        raw = unbase64(e["signature"])
        key = next((k for k in named if raw is not None and verifies(k, e, raw)), None)
        if key is None or not fnmatch.fnmatchcase(e.get("agentid", ""), key.get("agent", "*")):
            return "altered", None
        return ("malformed", None) if form_fault(e) else (None, key["id"] + str(key.get("agent")))
    if form_fault(e) or (seal != [None] * 3 and (None in seal or unbase64(seal[2]) is None)):
        return "malformed", None
    return None, None


def verifies(key, e, raw):
    data = signing_input(e)
    if "hmac_base64" in key:
        secret = base64.b64decode(key["hmac_base64"])
        return e["sigalg"] == "hmac-sha256" and hmac.compare_digest(
            hmac.new(secret, data, hashlib.sha256).digest(), raw
        )
    if e["sigalg"] != "ed25519":
        return False
    # The one thing that the standard library has not, asked for only where it is needed.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        load_pem_public_key(key["spki_pem"].encode()).verify(raw, data)
        return True
    except InvalidSignature:
        return False


def disclosures_good(data):
    last, parts = -1, data.get("content", [])
    if not isinstance(data["disclosures"], list):
        return False
    for d in data["disclosures"]:
        kind = {"text", "bytes"} & set(d)
        if len(kind) != 1 or set(d) != {"part", "salt"} | kind or not last < d["part"] < len(parts):
            return False
        last, part, salt = d["part"], parts[int(d["part"])], unbase64(d["salt"])
        clear = d["text"].encode() if "text" in d else unbase64(d["bytes"])
        if salt is None or len(salt) != 16 or clear is None or len(clear) != part.get("size"):
            return False
        if hashlib.sha256(b"sinkwell-part-v1\n" + salt + clear).hexdigest() != part.get("digest"):
            return False
    return True


class Stream:
    def __init__(self, id):
        self.id, self.agent, self.good, self.filled, self.fill_starts = id, None, {}, set(), set()
        self.stubs, self.erasable, self.declared, self.losses, self.findings = {}, set(), set(), [], []
        self.envelopes, self.closed, self.start, self.lane, self.heard = 0, None, 1, None, ""
        self.retired, self.rivals, self.arrived, self.only_checkpoints = (
            {},
            collections.defaultdict(set),
            None,
            True,
        )

    def add(self, kind, at=None, to=None, where=None, weight=None):
        self.findings.append((kind, at, at if to is None else to, where, weight or weigh(kind)))

    def hash_at(self, n):
        return self.good[n]["hash"] if n in self.good else self.stubs.get(n, {}).get("hash")

    def holds(self, n, hash):
        return self.hash_at(n) == hash or hash in self.rivals[n]

    def present(self):
        return set(self.good) | set(self.stubs)


def weigh(kind):
    return "note" if kind in NOTES else "incomplete" if kind in ("declared_loss", "erased") else "findings"


class Verifier:
    def __init__(self, keys, options):
        self.keys, self.options, self.streams, self.findings = keys, options, {}, []
        self.claims, self.erasures, self.ids, self.edges = [], [], set(), []
        self.unsigned = self.malformed = 0
        self.latest, self.heard, self.lanes_here = "", {}, set()

    def stream(self, id):
        return self.streams.setdefault(id, Stream(id))

    def read(self, name, text):
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if line.strip():
                self.line((name, number), line, torn=number == len(lines))

    def read_line(self, line):
        try:
            e = jcs.parse(line.encode())
        except (ValueError, RecursionError):
            return None
        if (
            not isinstance(e, dict)
            or sequence(e.get("sequence")) is None
            or not isinstance(e.get("streamid"), str)
        ):
            return None
        return e

    def line(self, place, line, torn):
        where = f"{place[0]}:{place[1]}"
        e = self.read_line(line)
        if e is None:
            if torn and line.startswith("{") and not is_json(line):
                self.findings.append(("torn", None, None, where, "note"))
            else:
                self.malformed += 1
                self.findings.append(("malformed", None, None, where, "findings"))
            return
        n, s = sequence(e["sequence"]), self.stream(e["streamid"])
        if "stub" in e:
            s.only_checkpoints = False
            if n in s.good and s.good[n]["hash"] != e["hash"]:
                s.add("altered", n, where=where)
            elif n not in s.good:
                s.stubs[n] = {"hash": e["hash"], "prev": e.get("prevhash"), "where": where}
                s.filled.discard(n)
            return
        kind, key = own_check(e, self.keys)
        own = e.get("origin") == "core"
        data = e.get("data") if isinstance(e.get("data"), dict) else {}
        action = data.get("action")
        if kind is None and s.agent is not None and s.agent != e["agentid"]:
            kind = "altered"
        retiring = own and e.get("type", "").endswith("audit.chain") and action == "key_retiring"
        if kind is None and key is not None and not retiring and n > s.retired.get(key, 2**53):
            kind = "retired_key"
        if kind is not None:
            if kind == "malformed":
                self.malformed += 1
            else:
                s.envelopes += 1
                self.unsigned += "signature" not in e
            s.only_checkpoints = False
            if n not in s.present():
                s.filled.add(n)
                if "prevhash" not in e:
                    s.fill_starts.add(n)
            s.add(kind, n, where=where)
            return
        if "disclosures" in data and not disclosures_good(data):
            s.add("altered", n, where=where)
        if jcs.canonical(e).decode() != line:
            s.add("not_canonical", n, where=where)
        raw = unbase64(e["signature"]) if "signature" in e else b""
        hash = hashlib.sha256(signing_input(e) + raw).hexdigest()
        if n in s.good:
            if s.good[n]["hash"] == hash:
                s.add("duplicate", n, where=where)
            else:
                s.envelopes += 1
                self.unsigned += "signature" not in e
                s.rivals[n].add(hash)
                s.add("conflict", n, where=where)
            return
        stub = s.stubs.pop(n, None)
        if stub and stub["hash"] != hash:
            s.add("altered", n, where=where)
        s.good[n] = {"hash": hash, "prev": e.get("prevhash"), "where": where, "place": place, "key": key}
        s.envelopes += 1
        self.unsigned += "signature" not in e
        s.agent = e["agentid"]
        s.filled.discard(n)
        s.heard = max(s.heard, e["recordedtime"])
        self.latest = max(self.latest, s.heard)
        if s.arrived and s.arrived[0] == place[0] and n < s.arrived[1]:
            s.add("reordered", n, where=where)
        s.arrived = (place[0], n)
        if s.closed is not None and n > s.closed:
            s.add("after_close", n, where=where)
        self.ids.add(e["id"])
        for member, target in (data.get("authz") or {}).items():
            self.edges.append((s, n, where, target))
        s.only_checkpoints &= own and e["type"].endswith("audit.chain") and action in ("checkpoint", "closed")
        if own:
            self.believe(s, n, e, data, where, key)

    def claim(self, head, who, where, lane):
        if sequence(head.get("sequence")):
            self.claims.append((head["streamid"], sequence(head["sequence"]), head["head"], who, where, lane))

    def believe(self, s, n, e, data, where, key):
        lane, action = data.get("lane"), data.get("action")
        if e["type"].endswith("heartbeat"):
            self.lanes_here.add(lane)
            s.lane = s.lane or lane
            for head in data.get("heads", []):
                self.heard[head["streamid"]] = max(self.heard.get(head["streamid"], ""), e["recordedtime"])
                self.claim(head, "input", where, lane)
        elif e["type"].endswith("policy.breach"):
            if "lost" in data or "count" in data:
                s.losses.append((n, where, data))
        elif e["type"].endswith("audit.chain"):
            if action == "opened":
                s.lane = lane
                self.lanes_here.add(lane)
                if "follows" in data:
                    s.start = sequence(data["follows"]["sequence"]) + 1
                    self.claim(data["follows"], "follower", where, lane)
            elif action in ("checkpoint", "closed"):
                s.lane = s.lane or lane
                for head in [data] + data.get("streams", []):
                    self.claim(head, "input", where, lane)
                if action == "closed":
                    late = [m for m in s.good if m > n]
                    if late:
                        s.add("after_close", n + 1, max(late), where=s.good[max(late)]["where"])
                    s.closed = n
            elif action == "key_retiring" and key is not None:
                s.retired[key] = n
                late = [m for m, g in s.good.items() if g["key"] == key and m > n]
                if late:
                    s.add("retired_key", max(late), where=s.good[max(late)]["where"])
            elif action == "retention":
                for r in data.get("ranges", []):
                    self.erasures.append((r["streamid"], sequence(r["from"]), sequence(r["to"])))

    def read_checkpoints(self, name, text):
        seen = False
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            where, e = f"{name}:{number}", self.read_line(line)
            if e is None:
                self.findings.append(("malformed", None, None, where, "findings"))
                continue
            seen = True
            n = sequence(e["sequence"])
            kind, _ = own_check(e, self.keys)
            if kind:
                self.findings.append((kind, n, n, where, "findings"))
            elif e.get("origin") == "core":
                raw = unbase64(e["signature"]) if "signature" in e else b""
                data = e["data"]
                itself = {
                    "streamid": e["streamid"],
                    "sequence": e["sequence"],
                    "head": hashlib.sha256(signing_input(e) + raw).hexdigest(),
                }
                self.claim(itself, "itself", where, data.get("lane"))
                for head in [data] + data.get("streams", []) + data.get("heads", []):
                    if "head" in head:
                        self.claim(head, "file", where, data.get("lane"))
        if not seen:
            raise NoEnvelope(name)

    def finish(self):
        if not self.streams:
            raise NoEnvelope("no envelope")
        o = self.options
        carried = {
            s.id
            for s in self.streams.values()
            if s.only_checkpoints and s.lane and self.lanes_here and s.lane not in self.lanes_here
        }
        for id, a, b in self.erasures:
            if id in self.streams:
                self.streams[id].erasable |= set(range(a, b + 1))
        lost, elsewhere = self.account()
        for s in self.streams.values():
            if s.id not in carried:
                self.chain(s)
        self.settle(carried, elsewhere)
        if "silence" in o:
            self.silence(carried)
        if o.get("edges"):
            for s, n, where, target in self.edges:
                if target not in self.ids:
                    s.add("missing_edge", n, where=where)
        erased = 0
        for s in self.streams.values():
            for kind, stubs in (
                ("erased", set(s.stubs) & s.erasable),
                ("removed", set(s.stubs) - s.erasable),
            ):
                for a, b in runs(stubs):
                    s.add(kind, a, b, where=s.stubs[a]["where"])
                erased += len(stubs) if kind == "erased" else 0
        return self.report(lost, erased)

    def account(self):
        losses, lost, elsewhere = [], collections.Counter(), collections.defaultdict(set)
        for s in self.streams.values():
            for n, where, data in s.losses:
                lane = data.get("lane")
                copy = s.lane != lane if s.lane and lane else data.get("streamid", s.id) != s.id
                losses.append((copy, s, n, where, data))
        named = [
            (r.get("streamid") or data.get("streamid") or s.id, sequence(r["from"]), sequence(r["to"]))
            for copy, s, _, _, data in losses
            for r in data.get("lost", [])
            if not copy and not r.get("maybe", False)
        ]
        for copy, s, n, where, data in sorted(losses, key=lambda loss: loss[0]):
            ranges = [
                (
                    r.get("streamid") or data.get("streamid") or s.id,
                    sequence(r["from"]),
                    sequence(r["to"]),
                    r.get("maybe", False),
                )
                for r in data.get("lost", [])
            ]
            fixed = sum(b - a + 1 for _, a, b, maybe in ranges if not maybe)
            budget = max(0, int(data.get("count", fixed)) - fixed)
            again = any(id == s.id and a <= n <= b for id, a, b in named)
            total = 0 if copy or again or any(r[3] for r in ranges) else budget
            if total:
                s.add("declared_loss", where=where)
            for id, a, b, maybe in ranges:
                target = self.streams.get(id)
                if target is None and copy:
                    continue
                if target is None:
                    new = set(range(a, b + 1)) - elsewhere[id]
                    elsewhere[id] |= new
                    n_new = min(budget, len(new)) if maybe else len(new)
                    budget -= n_new if maybe else 0
                    total += n_new
                    if not n_new:
                        continue
                    s.add("declared_loss", where=where)
                    continue
                if target is not s and target.agent not in (None, s.agent):
                    continue
                if target is s:
                    b = min(b, n - 1)
                missing = [
                    m for m in range(a, b + 1) if m not in target.present() | target.filled | target.declared
                ]
                if maybe:
                    missing, budget = missing[:budget], budget - len(missing[:budget])
                total += len(missing)
                target.declared |= set(missing)
                for a, b in runs(missing):
                    target.add("declared_loss", a, b, where=where)
            if total and data.get("count", 1):
                lost[data["reason"]] += int(total)
        return dict(lost), elsewhere

    def chain(self, s):
        entries = {**s.stubs, **s.good}
        numbers = sorted(entries)
        if not numbers:
            return
        for before, n in zip([None] + numbers, numbers):
            e, where = entries[n], entries[n]["where"]
            if before is None:
                low = min((m for m in s.fill_starts & s.filled if m < n), default=s.start)
                if n == 1 and e["prev"]:
                    s.add("altered", n, where=where)
                unbroken, hole = e["prev"] is None, range(low, n) if not self.options.get("partial") else ()
            else:
                unbroken, hole = e["prev"] is not None and s.holds(before, e["prev"]), range(before + 1, n)
                if (not hole and not unbroken) or (hole and e["prev"] is None):
                    s.add("altered", n, where=where)
            for a, b in runs(m for m in hole if m not in s.filled and m not in s.declared):
                s.add("gap" if unbroken else "removed", a, b, where=where)

    def settle(self, carried, elsewhere):
        here = {id for id in self.streams if id not in carried}
        lanes = (
            self.lanes_here
            | {self.streams[id].lane for id in here}
            | {c[5] for c in self.claims if c[0] in here and c[3] in ("file", "itself")}
        )
        lanes.discard(None)
        done = set()
        for id, n, head, who, where, lane in sorted(self.claims, key=lambda c: (c[3] == "follower", -c[1])):
            if id in here:
                s = self.streams[id]
                if s.hash_at(n) is not None:
                    if not s.holds(n, head):
                        s.add("conflict" if who == "itself" else "altered", n, where=where)
                    continue
                last = max(s.present() | s.filled)
                missing = [m for m in range(last + 1, n + 1) if m not in s.declared]
                if missing and id not in done:
                    done.add(id)
                    s.add("truncated", missing[0], missing[-1], where=where)
            elif not (lane and lanes and lane not in lanes) and n not in elsewhere[id] and id not in done:
                if self.options.get("partial") and who == "input":
                    continue
                done.add(id)
                self.findings.append(
                    ("missing_stream", None, None, where, "note" if who == "follower" else "findings")
                )

    def silence(self, carried):
        unit = {"s": 1, "m": 60}[self.options["silence"][-1]]
        limit = float(self.options["silence"][:-1]) * unit
        at = lambda t: datetime.datetime.fromisoformat(t[:26] + "+00:00").timestamp()
        for s in self.streams.values():
            heard = max(s.heard, self.heard.get(s.id, ""))
            if s.id not in carried and s.closed is None and heard and at(self.latest) - at(heard) > limit:
                s.add(
                    "silence",
                    max(s.good, default=None),
                    where=s.good[max(s.good)]["where"] if s.good else None,
                )

    def report(self, lost, erased):
        best = "sound" if self.keys else "unchecked"

        def judge(start, findings):
            for *_, weight in findings:
                weight = weight if weight != "note" else "findings" if self.options.get("strict") else "sound"
                start = max(start, weight, key=ORDER.index)
            return start

        show = lambda found: [
            {k: v for k, v in zip(("kind", "from", "to", "where"), x) if v is not None} for x in found
        ]
        streams = [
            {
                "streamid": s.id,
                "envelopes": s.envelopes,
                "closed": s.closed is not None,
                "verdict": judge(best, s.findings),
                "findings": show(merged(s.findings)),
            }
            for s in self.streams.values()
        ]
        verdict = judge(max([best] + [s["verdict"] for s in streams], key=ORDER.index), self.findings)
        good = verdict == "sound" or (verdict == "incomplete" and not self.options.get("strict"))
        return {
            "verdict": verdict,
            "exit": int(not good),
            "envelopes": sum(s["envelopes"] for s in streams),
            "unsigned": self.unsigned,
            "malformed": self.malformed,
            "streams": streams,
            "lost": lost,
            "erased": erased,
            "findings": show(self.findings),
        }


def merged(findings):
    """Neighbours without signature, or of a key that was not given, are one finding."""
    out = []
    for x in findings:
        if out and x[0] in ("unsigned", "unknown_key") and out[-1][0] == x[0] and out[-1][2] + 1 == x[1]:
            out[-1] = out[-1][:2] + (x[2],) + out[-1][3:]
        else:
            out.append(x)
    return out


def runs(numbers):
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1] = (out[-1][0], n)
        else:
            out.append((n, n))
    return out
