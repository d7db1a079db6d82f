"""A second verifier, written from docs/spec/envelope.md: plain Python, everything in memory, no code of the core.

It answers for the input what `sinkwell verify --format json` answers, without notes and places' file names beyond
`name:line`. First all is read; then, stream by stream, coverage is reckoned; only then is anything believed.
"""

import base64
import collections
import datetime
import fnmatch
import hashlib
import hmac
import re

import jcs
from ranges import Ranges, minus, size

EVENT, PLACE, SEAL = b"sinkwell-event-v1\n", b"sinkwell-place-v1\n", b"sinkwell-seal-v1\n"
PLACE_MEMBERS = ("streamid", "sequence", "prevhash", "recordedtime")
SIGNATURE_MEMBERS = ("keyid", "sigalg", "signature")
SCHEMA = "https://sinkwell.dev/schemas/governance-event/"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
HEX = re.compile(r"[0-9a-f]{64}")
SEVERITY = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}
NOTES = {
    "duplicate",
    "reordered",
    "not_canonical",
    "torn",
    "missing_edge",
    "unfinished",
    "open",
    "missing_lane",
}
ORDER = ["sound", "incomplete", "unchecked", "findings"]
MOST = 2**53 - 1


class NoEnvelope(Exception):
    """There is nothing to judge, or nothing to judge it by."""


def sequence(text):
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{20}", text):
        return None
    return int(text) if 1 <= int(text) <= MOST else None


def is_hash(text):
    return isinstance(text, str) and HEX.fullmatch(text) is not None


def unbase64(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        return None
    # Of the ways to write the same bytes there is one.
    return raw if base64.b64encode(raw).decode() == text else None


def items(value):
    """The objects of a list; nothing, where it is none."""
    return [x for x in value if isinstance(x, dict)] if isinstance(value, list) else []


def hash_of(e):
    """The hash of an envelope or a stub: its place and the digest of its event."""
    if "stub" in e:
        digest = bytes.fromhex(e["eventdigest"])
    else:
        event = {k: v for k, v in e.items() if k not in PLACE_MEMBERS + SIGNATURE_MEMBERS}
        if isinstance(event.get("data"), dict):
            event["data"] = {k: v for k, v in event["data"].items() if k != "disclosures"}
        digest = hashlib.sha256(EVENT + jcs.canonical(event)).digest()
    place = jcs.canonical({k: e[k] for k in PLACE_MEMBERS if k in e})
    return hashlib.sha256(PLACE + place + b"\n" + digest).hexdigest()


def verifies(key, e, hash):
    """Whether the signature of `e` is this key's, over this hash."""
    raw, data = unbase64(e["signature"]), SEAL + bytes.fromhex(hash)
    if raw is None:
        return False
    if "hmac_base64" in key:
        right = hmac.new(base64.b64decode(key["hmac_base64"]), data, hashlib.sha256).digest()
        return e["sigalg"] == "hmac-sha256" and hmac.compare_digest(right, raw)
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


def allowed(key, agent):
    """Whether a key may seal for an agent; without any key given there is nothing to ask."""
    return key is None or agent is None or fnmatch.fnmatchcase(agent, key.get("agent", "*"))


def form_fault(e):
    """Whether an envelope, or a stub, is not in its form."""

    def text(key, test=lambda s: True):
        return isinstance(e.get(key), str) and e[key] and test(e[key])

    prev = e.get("prevhash", "0" * 64)
    if "stub" in e:
        members = {"stub", "eventdigest"} | set(PLACE_MEMBERS) - {"prevhash"}
        return (
            not members <= set(e) <= members | {"prevhash"} | set(SIGNATURE_MEMBERS)
            or e["stub"] != "sinkwell-v1"
            or not is_hash(e["eventdigest"])
            or not text("recordedtime", TIME.fullmatch)
            or not is_hash(prev)
        )
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
        and text("severitytext", SEVERITY.__contains__)
        and SEVERITY[e["severitytext"]] == e.get("severitynumber")
        and e.get("origin", "core") == "core"
        and is_hash(prev)
    )
    return not good or any(v is None or v == "" for v in e.values())


def unknown_major(e):
    schema = e.get("dataschema")
    return (
        isinstance(schema, str) and schema.startswith(SCHEMA) and schema[len(SCHEMA) :].split(".")[0] != "1"
    )


def own_check(e, hash, keys):
    """What the envelope's own seal says: `good`, `none` (no signature) or a kind of finding; and the key."""
    if "stub" not in e and unknown_major(e):
        return "unknown_schema", None
    if "stub" in e and form_fault(e):
        return "malformed", None
    seal = [e.get(k) for k in SIGNATURE_MEMBERS]
    if not keys:
        broken = seal != [None] * 3 and (
            not all(isinstance(x, str) for x in seal) or unbase64(seal[2]) is None
        )
        return ("malformed" if form_fault(e) or broken else "good" if seal[2] else "none"), None
    if not any(k in e for k in SIGNATURE_MEMBERS):
        return "none", None
    if not all(isinstance(x, str) for x in seal):
        return "altered", None
    named = [k for k in keys if k["id"] == e["keyid"]]
    if not named:
        return "unknown_key", None
    agent = e.get("agentid")
    for key in named:
        may = "stub" in e or (isinstance(agent, str) and allowed(key, agent))
        if may and verifies(key, e, hash):
            return "good", key
    return "altered", None


def disclosures_good(data):
    last, parts = -1, data.get("content", [])
    if not isinstance(data["disclosures"], list) or not isinstance(parts, list):
        return False
    for d in data["disclosures"]:
        if not isinstance(d, dict) or not isinstance(d.get("part"), float):
            return False
        kind = {"text", "bytes"} & set(d)
        if len(kind) != 1 or set(d) != {"part", "salt"} | kind or not last < d["part"] < len(parts):
            return False
        if d["part"] != int(d["part"]) or not isinstance(parts[int(d["part"])], dict):
            return False
        last, part, salt = d["part"], parts[int(d["part"])], unbase64(d["salt"])
        if "text" in d and not isinstance(d["text"], str):
            return False
        clear = d["text"].encode() if "text" in d else unbase64(d["bytes"])
        if salt is None or len(salt) != 16 or clear is None or len(clear) != part.get("size"):
            return False
        if hashlib.sha256(b"sinkwell-part-v1\n" + salt + clear).hexdigest() != part.get("digest"):
            return False
    return True


class Copy:
    """One line: an envelope or a stub, with what its own seal says. `seen` keeps what was reckoned of a line."""

    def __init__(self, e, place, line, keys, seen):
        self.e, self.place, self.where = e, place, f"{place[0]}:{place[1]}"
        self.n, self.stub, self.prev = sequence(e["sequence"]), "stub" in e, e.get("prevhash")
        self.own = e.get("origin") == "core" and not self.stub
        self.data = e["data"] if isinstance(e.get("data"), dict) else {}
        if line not in seen:
            readable = not (self.stub and form_fault(e)) and not (not self.stub and unknown_major(e))
            hash = hash_of(e) if readable else None
            seen[line] = (hash, *own_check(e, hash, keys), jcs.canonical(e).decode() == line)
        self.hash, self.seal, self.key, self.canonical = seen[line]
        # What cannot be hashed is like no other line.
        self.hash = self.hash or self.where

    @property
    def failing(self):
        return self.seal not in ("good", "none")

    def is_own(self, type, action=None):
        kind = self.e.get("type")
        return (
            self.own
            and isinstance(kind, str)
            and kind.endswith(type)
            and action in (None, self.data.get("action"))
        )


class Link:
    """What stands at one number with one hash: its copies, and whether a signature covers it."""

    def __init__(self, copies):
        # Of copies with the same hash the envelope is kept before the stub, and the one with a good signature.
        rank = {"good": 0, "none": 1}
        self.copies = copies
        self.kept = min(copies, key=lambda c: (c.stub, rank.get(c.seal, 2)))
        self.signed = next((c for c in copies if c.seal == "good"), None)
        self.n, self.hash, self.prev, self.stub = copies[0].n, copies[0].hash, copies[0].prev, self.kept.stub
        self.covered, self.by = False, None
        alike = [c for c in copies if c.stub == self.stub]
        self.first = next((c for c in alike if not c.failing), self.kept)
        self.where = self.first.where


class Stream:
    def __init__(self, id):
        self.id, self.copies, self.findings, self.agent, self.links = id, [], [], None, {}
        self.start, self.closed, self.lane, self.heard = 1, None, None, ""
        self.declared, self.erasable, self.losses, self.modes, self.ended = Ranges(), Ranges(), [], [], False
        self.good, self.filled = {}, Ranges()
        self.envelopes = self.unsigned = self.malformed = self.erased = 0
        self.only_checkpoints = True

    def add(self, kind, at=None, to=None, where=None, weight=None):
        found = (kind, at, at if to is None else to, where, weight or weigh(kind))
        # A copy with two faults of one kind is one finding.
        if kind != "altered" or found not in self.findings:
            self.findings.append(found)

    def cover(self, signed):
        """Reckons which links the signatures cover that `signed` finds in them; answers the covered ones."""
        numbers = sorted(self.links, reverse=True)
        for link in self.all():
            link.covered, link.by = False, None
        for i, n in enumerate(numbers):
            for link in self.links[n]:
                copy = signed(link)
                if copy is not None:
                    link.covered, link.by = True, copy
            for link in self.links[n]:
                if not link.covered:
                    continue
                self.reach(numbers, i + 1, link.prev, link, signed)
                for a, prev in self.carries(link):
                    below = next((j for j, m in enumerate(numbers) if m < a), len(numbers))
                    self.reach(numbers, below, prev, link, signed)
        return {n: good for n in sorted(numbers) if (good := [x for x in self.links[n] if x.covered])}

    def reach(self, numbers, start, prev, by, signed):
        """Covers the link with the hash `prev`: over numbers that are not there, and over what nothing covers."""
        for m in numbers[start:]:
            found = [x for x in self.links[m] if x.hash == prev]
            for link in found:
                if not link.covered:
                    link.covered, link.by = True, by.by
            if found or any(x.covered or signed(x) for x in self.links[m]):
                return

    def carries(self, link):
        """The holes of this stream over which a declaration of it carries coverage."""
        out = []
        if link.kept.is_own("policy.breach"):
            for r in items(link.kept.data.get("lost")):
                a, b = sequence(r.get("from")), sequence(r.get("to"))
                target = r.get("streamid") or link.kept.data.get("streamid") or self.id
                if a and b and a <= b and target == self.id and a < link.n and is_hash(r.get("prev")):
                    out.append((a, r["prev"]))
        return out

    def foreign(self, copy):
        """Whether a loss is the copy that auditors get, about another lane."""
        lane = copy.data.get("lane")
        if self.lane and lane:
            return self.lane != lane
        return copy.data.get("streamid", self.id) != self.id

    def all(self):
        return [link for n in sorted(self.links) for link in self.links[n]]

    def mode(self, n):
        """How envelopes are signed there, as far as it is known."""
        return next((sign for m, sign in sorted(self.modes, reverse=True) if m <= n), None)

    def matches(self, n, hash):
        return any(link.hash == hash for link in self.good.get(n, ()))


def weigh(kind):
    return "note" if kind in NOTES else "incomplete" if kind in ("declared_loss", "erased") else "findings"


class Verifier:
    def __init__(self, keys, options, seen=None):
        self.keys, self.options, self.streams, self.findings = keys, options, {}, []
        self.seen, self.parsed = seen if seen is not None else ({}, {})
        self.claims, self.erasures, self.ids, self.edges = [], [], set(), []
        self.deeds, self.places = [], {}
        self.malformed, self.latest, self.heartbeats, self.lanes_named = 0, "", [], set()
        self.checkpoint_files = collections.defaultdict(list)

    # Reading.

    def read(self, name, text):
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if line.strip():
                self.line((name, number), line, last=number == len(lines))

    def parse(self, line):
        if line not in self.parsed:
            self.parsed[line] = self.parse_anew(line)
        return self.parsed[line]

    @staticmethod
    def parse_anew(line):
        try:
            e = jcs.parse(line.encode())
        except (ValueError, RecursionError):
            return None, False
        placed = isinstance(e, dict) and sequence(e.get("sequence")) and isinstance(e.get("streamid"), str)
        return (e if placed else None), True

    def line(self, place, line, last):
        e, json = self.parse(line)
        if e is not None:
            stream = self.streams.setdefault(e["streamid"], Stream(e["streamid"]))
            self.places.setdefault(f"{place[0]}:{place[1]}", len(self.places))
            stream.copies.append(Copy(e, place, line, self.keys, self.seen))
            return
        # The writer was cut off, or the file system made the file longer than what it has of it.
        torn = last and not json and (line.startswith("{") or not line.strip("\0"))
        self.malformed += not torn
        kind = "torn" if torn else "malformed"
        self.findings.append((kind, None, None, f"{place[0]}:{place[1]}", weigh(kind)))

    def read_checkpoints(self, name, text):
        """Only the own signature of a line counts here."""
        seen = False
        self.checkpoint_files[name] = []
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            where, (e, _) = f"{name}:{number}", self.parse(line)
            if e is None or "stub" in e:
                self.findings.append(("malformed", None, None, where, "findings"))
                self.checkpoint_files[name] = None
                continue
            seen = True
            copy = Copy(e, (name, number), line, self.keys, self.seen)
            kind = copy.seal if copy.failing else "unsigned" if self.keys and copy.seal == "none" else None
            kind = kind or ("malformed" if form_fault(e) else None)
            if kind:
                self.findings.append((kind, copy.n, copy.n, where, "findings"))
                self.checkpoint_files[name] = None
            elif copy.own:
                itself = {"streamid": e["streamid"], "sequence": e["sequence"], "head": copy.hash}
                lane = copy.data.get("lane")
                self.claim(itself, "itself", where, lane, copy.key)
                for head in [copy.data] + items(copy.data.get("streams")) + items(copy.data.get("heads")):
                    self.claim(head, "file", where, lane, copy.key)
        if not seen:
            raise NoEnvelope(name)

    def claim(self, head, who, where, lane, key):
        n = sequence(head.get("sequence"))
        if n and isinstance(head.get("streamid"), str) and is_hash(head.get("head")):
            claim = (head["streamid"], n, head["head"], who, where, lane, key, head.get("agentid"))
            self.claims.append(claim)
            name = where.rsplit(":", 1)[0]
            if who in ("itself", "file") and self.checkpoint_files.get(name) is not None:
                self.checkpoint_files[name].append(claim)

    # Coverage, and what is believed for it.

    def finish(self):
        if not self.streams:
            raise NoEnvelope("no envelope")
        for s in self.streams.values():
            self.fix_agent(s)
            self.reckon(s)
        for s in self.streams.values():
            self.believe_all(s)
        # A key that is bound to agents may have sealed what is left of a stream of stubs: retention says whose.
        for s in self.streams.values():
            if s.agent is None and any(c.stub and c.key for c in s.copies):
                named = [x for x in self.erasures if x[0] == s.id]
                s.agent = next((agent for _, _, _, agent, key in named if allowed(key, agent)), None)
                self.bind_stubs(s)
                self.reckon(s)
        for id, a, b, agent, key in self.erasures:
            s = self.streams.get(id)
            if s and agent == s.agent and allowed(key, agent):
                s.erasable.add(a, b)
        here = self.here()
        lost, elsewhere = self.account()
        for s in self.streams.values():
            self.copies_of(s)
            self.stretches(s)
            if s.id in here:
                self.chain(s)
        self.settle(here, elsewhere)
        if "silence" in self.options:
            self.silence(here)
        if self.options.get("edges"):
            for s, n, where, target in self.edges:
                if target not in self.ids:
                    s.add("missing_edge", n, where=where)
        for s in self.streams.values():
            self.stubs(s)
        self.halves(lost)
        open = [s for s in self.streams.values() if s.id in here and s.good and not s.closed and not s.ended]
        for s in open if not self.options.get("partial") else ():
            last = max(s.good)
            s.add("open", last, where=s.good[last][0].where)
        return self.report(lost, len(open))

    def fix_agent(self, s):
        """The agent is that of the lowest envelope with a good signature; others' signatures are none of its."""
        fits = [c for c in s.copies if not c.stub and not c.failing and (c.seal == "good" or not self.keys)]
        if fits:
            s.agent = min(fits, key=lambda c: c.n).e["agentid"]
        for c in fits:
            if self.keys and c.e["agentid"] != s.agent:
                c.seal, c.key = "altered", None
        self.bind_stubs(s)

    def bind_stubs(self, s):
        for c in s.copies:
            if c.stub and c.key and s.agent is not None and not allowed(c.key, s.agent):
                c.seal, c.key = "altered", None

    def reckon(self, s):
        """Which links there are, and which are covered."""
        by_hash = collections.defaultdict(list)
        for c in s.copies:
            by_hash[c.n, c.hash].append(c)
        s.links = collections.defaultdict(list)
        for copies in by_hash.values():
            s.links[copies[0].n].append(Link(copies))

        def signed(link):
            c = link.signed
            if c is None or (c.stub and c.key and "agent" in c.key and s.agent is None):
                return None
            return c

        s.good = s.cover(signed)
        # What a retired key signs later is no signature. It is retired also where only itself vouches for that, and
        # where the key that takes over does, as nobody else could sign any more.
        for links in s.good.values():
            for link in links:
                c = link.kept
                if c.is_own("audit.chain", "key_retiring"):
                    id = c.data.get("keyid")
                    for other in s.copies:
                        repeat = other.is_own("audit.chain", "key_retiring")
                        if other.key and other.key["id"] == id and other.n > c.n and not repeat:
                            other.seal, other.key = "retired_key", None
        for link in s.all():
            link.signed = next((c for c in link.copies if c.seal == "good"), None)
        s.good = s.cover(signed)
        if not self.keys:
            # Nothing is proven: all that is in form stands, and a signature is taken at its word.
            s.unsigned_numbers = [x.n for x in s.all() if not x.kept.failing and not x.covered]
            for link in s.all():
                link.covered = not link.kept.failing
            s.good = {n: g for n in sorted(s.links) if (g := [x for x in s.links[n] if x.covered])}
        s.filled = Ranges.of(n for n in s.links if n not in s.good)
        if s.agent is None:
            # Nothing but stubs has a signature: the lowest envelope that they cover says whose it is.
            named = [g[0].kept.e.get("agentid") for g in s.good.values() if not g[0].stub]
            s.agent = next((x for x in named if isinstance(x, str)), None)

    def believable(self, s, link):
        """Whether what a covered envelope says is believed: it is in form, and of the stream's agent."""
        e = link.kept.e
        return not link.stub and not form_fault(e) and e["agentid"] == s.agent

    def believe_all(self, s):
        for n, links in s.good.items():
            link = links[0]
            s.only_checkpoints &= link.kept.is_own("audit.chain") and link.kept.data.get("action") in (
                "checkpoint",
                "closed",
            )
            if self.believable(s, link):
                self.believe(s, n, link)
        s.only_checkpoints &= not s.filled

    def believe(self, s, n, link):
        c, data, where = link.kept, link.kept.data, link.where
        key = link.by.key if link.by else None
        s.heard = max(s.heard, c.e["recordedtime"])
        self.latest = max(self.latest, s.heard)
        self.ids.add(c.e["id"])
        if isinstance(data.get("authz"), dict):
            self.edges += [(s, n, where, target) for target in data["authz"].values()]
        if c.e.get("origin") != "core" and data.get("phase") in ("intent", "result"):
            self.deeds.append((s, n, where, c.e, data["phase"]))
        lane, action = data.get("lane"), data.get("action")
        if c.is_own("heartbeat"):
            self.lanes_named.add(lane)
            s.lane = s.lane or lane
            for head in items(data.get("heads")):
                self.heartbeats.append((head.get("streamid"), c.e["recordedtime"], lane, key))
                self.claim(head, "input", where, lane, key)
        elif c.is_own("policy.breach"):
            if "lost" in data or "count" in data:
                s.losses.append((n, where, c, key))
        elif c.is_own("audit.chain"):
            if action == "opened":
                s.lane = lane
                s.modes.append((n, data.get("sign")))
                self.lanes_named.add(lane)
                follows = data.get("follows")
                if isinstance(follows, dict) and sequence(follows.get("sequence")):
                    s.start = sequence(follows["sequence"]) + 1
                    self.claim(follows, "follower", where, lane, key)
            elif action == "key_active":
                s.modes.append((n, data.get("sign", s.mode(n))))
            elif action in ("checkpoint", "closed"):
                s.lane = s.lane or lane
                for head in [data] + items(data.get("streams")):
                    self.claim(head, "input", where, lane, key)
                if action == "closed" and s.closed is None:
                    s.closed = n
            elif action == "retention":
                for r in items(data.get("ranges")):
                    a, b = sequence(r.get("from")), sequence(r.get("to"))
                    if a and b and a <= b and isinstance(r.get("agentid"), str):
                        self.erasures.append((r.get("streamid"), a, b, r["agentid"], key))

    def halves(self, lost):
        """Deeds: what has an intent and no result, what a result and no intent, what two, and what in which order."""
        deeds = {}
        self.deeds.sort(key=lambda told: self.places.get(told[2], 0))
        for s, n, where, e, phase in self.deeds:
            id = e["id"] if phase == "intent" else e.get("causationid", "")
            deeds.setdefault((e["agentid"], id), {"intent": [], "result": []})[phase].append(
                (s, n, where, e["id"])
            )
        declared = bool(lost) or any(s.erased for s in self.streams.values())
        for told in deeds.values():
            intents, results = told["intent"], told["result"]
            first = [r for r in results if r[3] == results[0][3]]
            for s, n, where, id in results:
                if id != results[0][3]:
                    s.add("second_result", n, where=where)
            for s, n, where, _ in first:
                if any(i[0] is s and i[1] > n for i in intents):
                    s.add("early_result", n, where=where)
                if not intents:
                    weight = "note" if declared or self.options.get("partial") else None
                    s.add("result_alone", n, where=where, weight=weight)
            if not results:
                s, n, where, _ = intents[0]
                s.add("unfinished", n, where=where)

    # Findings of a stream.

    def copies_of(self, s):
        """What each line deserves by itself."""
        arrived = None
        for c in s.copies:
            link = next(x for x in s.links[c.n] if c in x.copies)
            earlier = link.copies[: link.copies.index(c)]
            duplicate = not c.failing and any(not o.failing and o.stub == c.stub for o in earlier)
            if duplicate:
                s.add("duplicate", c.n, where=c.where)
            bad_form = link.covered and form_fault(c.e)
            malformed = c.seal == "malformed" or (bad_form and not c.failing)
            if not duplicate:
                s.malformed += malformed
                s.envelopes += not malformed and not c.stub
            if not c.stub and "disclosures" in c.data and not disclosures_good(c.data):
                s.add("altered", c.n, where=c.where)
            if not link.covered:
                continue
            if c.failing:
                s.add(c.seal, c.n, where=c.where)
            elif bad_form:
                s.add("malformed", c.n, where=c.where)
            elif not c.stub and c.e["agentid"] != s.agent:
                s.add("altered", c.n, where=c.where)
            if not c.canonical:
                s.add("not_canonical", c.n, where=c.where)
            if c is not link.first:
                continue
            if link is not s.good[c.n][0]:
                s.add("conflict", c.n, where=c.where)
            elif not c.stub:
                if arrived and arrived[0] == c.place[0] and c.n < arrived[1]:
                    s.add("reordered", c.n, where=c.where)
                arrived = (c.place[0], c.n)
        if s.closed is not None:
            late = [n for n in s.good if n > s.closed]
            if late:
                s.add("after_close", late[0], late[-1], where=s.good[late[0]][0].where)

    def stretches(self, s):
        """What no signature covers: `altered` or another kind as far back as the last signature, or `unsigned`."""
        bare, run, last = {}, [], 0

        def stop(compared):
            """The stretch ends: before a link that was compared with it, or before nothing."""
            if run and compared:
                s.add("altered", run[0].n, run[-1].n, where=run[0].where)
            else:
                bare.update({link.n: link.where for link in run})
            run.clear()

        for n in sorted(s.links):
            if n > last + 1:
                stop(self.compared(s, last + 1, n))
            last = n
            if n in s.good:
                stop(True)
                link = s.good[n][0]
                if self.keys and s.mode(n) == "each" and not link.signed and not link.kept.failing:
                    bare[n] = link.where
                # Copies that nothing covers, where a good one stands.
                for link in s.links[n]:
                    if not link.covered:
                        for c in link.copies:
                            if c.failing or c is link.first:
                                s.add(c.seal if c.failing else "unsigned", n, where=c.where)
                        s.unsigned += not link.first.failing
                continue
            plain = [x for x in s.links[n] if not x.kept.failing]
            failing = [c for c in s.copies if c.n == n and c.failing]
            if plain and s.mode(n) == "each":
                bare[n] = plain[0].where
            elif plain:
                run.append(plain[0])
            else:
                c = failing.pop(0)
                s.add(c.seal, run[0].n if run else n, n, where=run[0].where if run else c.where)
                run.clear()
            for c in failing:
                s.add(c.seal, n, where=c.where)
        stop(False)
        for a, b in runs(bare):
            s.add("unsigned", a, b, where=bare[a])
        s.unsigned += len(bare)
        if not self.keys:
            each = [n for n, g in s.good.items() if s.mode(n) == "each" and not g[0].signed]
            s.unsigned = len(set(s.unsigned_numbers) | set(each))

    @staticmethod
    def compared(s, a, n):
        """Whether the envelope before a hole from `a` to before `n` was compared with a link over it."""
        if any(a == first for g in s.good.values() for link in g for first, _ in s.carries(link)):
            return True
        # Numbers that were skipped, by the declaration that skipped them.
        for link in s.good.get(n, ())[:1]:
            if link.kept.is_own("policy.breach"):
                for r in items(link.kept.data.get("lost")):
                    first, last = sequence(r.get("from")), sequence(r.get("to"))
                    if first == a and last == n - 1 and "streamid" not in r and "prev" not in r:
                        return True
        return False

    def chain(self, s):
        numbers = list(s.good)
        if not numbers:
            return
        for before, n in zip([None] + numbers, numbers):
            link = s.good[n][0]
            if before is None:
                firsts = [m for m in s.filled.numbers() if m < n and any(x.prev is None for x in s.links[m])]
                low, unbroken = min(firsts, default=s.start), link.prev is None
                if n == s.start and link.prev is not None:
                    s.add("altered", n, where=link.where)
                if self.options.get("partial"):
                    continue
            else:
                low, unbroken = before + 1, s.matches(before, link.prev)
                filled = n > low and not minus(low, n - 1, s.filled)
                if (n == low and not unbroken) or (link.prev is None and not filled):
                    s.add("altered", n, where=link.where)
            for a, b in minus(low, n - 1, s.filled, s.declared):
                s.add("gap" if unbroken else "removed", a, b, where=link.where)

    def stubs(self, s):
        """Stubs that are covered: erased, where retention says so; the first of a stream never is."""
        stubs = {n: g[0] for n, g in s.good.items() if g[0].stub}
        may = {n for n, x in stubs.items() if n in s.erasable and x.prev is not None}
        for kind, numbers in (("erased", may), ("removed", set(stubs) - may)):
            for a, b in runs(numbers):
                s.add(kind, a, b, where=stubs[a].where)
        s.erased = len(may)

    # Losses.

    def account(self):
        losses, lost, elsewhere = [], collections.Counter(), collections.defaultdict(Ranges)
        for s in self.streams.values():
            losses += [(s.foreign(c), s, n, where, c.data, key) for n, where, c, key in s.losses]

        def ranges_of(s, data):
            for r in items(data.get("lost")):
                a, b = sequence(r.get("from")), sequence(r.get("to"))
                if a and b and a <= b:
                    id = r.get("streamid") or data.get("streamid") or s.id
                    yield id, a, b, r.get("maybe") is True, r.get("prev")

        named = [
            (id, a, b)
            for copy, s, _, _, data, _ in losses
            for id, a, b, maybe, _ in ranges_of(s, data)
            if not copy and not maybe
        ]
        for copy, s, n, where, data, key in sorted(losses, key=lambda loss: loss[0]):
            ranges = list(ranges_of(s, data))
            fixed = sum(b - a + 1 for _, a, b, maybe, _ in ranges if not maybe)
            count = data.get("count")
            whole = isinstance(count, float) and count == int(count) and 0 <= count <= MOST
            count = int(count) if whole else fixed
            budget = max(0, count - fixed)
            again = any(id == s.id and a <= n <= b for id, a, b in named)
            total = 0 if copy or again or any(maybe for *_, maybe, _ in ranges) else budget
            if total:
                s.add("declared_loss", where=where)
            for id, a, b, maybe, prev in ranges:
                target = self.streams.get(id)
                if target is None:
                    if copy:
                        continue
                    new = minus(a, b, elsewhere[id])
                    amount = min(budget, size(new)) if maybe else size(new)
                    for x, y in new:
                        elsewhere[id].add(x, y)
                    budget -= amount if maybe else 0
                    total += amount
                    if amount:
                        s.add("declared_loss", where=where)
                    continue
                if target is not s and target.agent not in (None, s.agent):
                    continue
                if a > 1 and is_hash(prev):
                    self.claims.append((id, a - 1, prev, "prev", where, None, key, None))
                b = min(b, n - 1) if target is s else b
                missing = minus(a, b, Ranges.of(target.links), target.declared) if a <= b else []
                if maybe:
                    missing = cut(missing, budget)
                    budget -= size(missing)
                total += size(missing)
                for x, y in missing:
                    target.declared.add(x, y)
                    target.add("declared_loss", x, y, where=where)
            if total and count:
                reason = data.get("reason")
                lost[reason if isinstance(reason, str) else "unknown"] += total
        return dict(lost), elsewhere

    # What is claimed of streams.

    def here(self):
        """The streams that the input holds: not those of which it only carries the checkpoints of another lane."""
        known = {lane for lane in self.lanes_named if lane}
        return {
            s.id
            for s in self.streams.values()
            if not (s.only_checkpoints and s.lane and known and s.lane not in known)
        }

    def settle(self, here, elsewhere):
        o = self.options
        asked = o.get("lanes", [])
        lanes = {lane for lane in self.lanes_named if lane} | {self.streams[id].lane for id in here}
        lanes |= {c[5] for c in self.claims if c[0] in here and c[3] in ("file", "itself")}
        lanes.discard(None)

        def applies(claim):
            id, lane = claim[0], claim[5]
            return id in here or not lane or not lanes or lane in lanes or lane in asked

        for name, claims in self.checkpoint_files.items():
            if claims is not None and not any(map(applies, claims)):
                raise NoEnvelope(name)
        missing_lanes, done = {}, set()
        claims = [c for c in self.claims if self.may_say(c)]
        for id, n, head, who, where, lane, *_ in sorted(claims, key=lambda c: (c[3] == "follower", -c[1])):
            if who == "prev":
                s = self.streams[id]
                if n in s.good and not s.matches(n, head):
                    s.add("altered", n, where=where)
            elif id in here:
                s = self.streams[id]
                if n in s.good:
                    if not s.matches(n, head):
                        s.add("conflict" if who == "itself" else "altered", n, where=where)
                    elif who == "follower" and n == max(s.good):
                        s.ended = True
                    continue
                last = max(s.good, default=max(s.links))
                missing = minus(last + 1, n, s.filled, s.declared) if last < n else []
                if missing and id not in done:
                    done.add(id)
                    s.add("truncated", missing[0][0], missing[-1][1], where=where)
            elif lane and lanes and lane not in lanes:
                missing_lanes[lane] = True
            elif minus(1, n, elsewhere[id]) and id not in done:
                if o.get("partial") and who == "input":
                    continue
                done.add(id)
                weight = "note" if who == "follower" else "findings"
                self.findings.append(("missing_stream", None, None, where, weight))
        first = {}
        for claim in claims:
            first.setdefault(claim[5], claim[4])
        for lane in asked:
            if lane not in lanes:
                self.findings.append(("missing_lane", None, None, None, "findings"))
        for lane in missing_lanes if not asked else ():
            self.findings.append(("missing_lane", None, None, first[lane], "note"))

    def may_say(self, claim):
        """A claim counts from a key that may seal for the agent of the stream that it names."""
        id, key, agent = claim[0], claim[6], claim[7]
        s = self.streams.get(id)
        if s is not None and s.agent is not None:
            agent = s.agent
        return allowed(key, agent if isinstance(agent, str) else None)

    def silence(self, here):
        unit = {"s": 1, "m": 60}[self.options["silence"][-1]]
        limit = float(self.options["silence"][:-1]) * unit
        at = lambda t: datetime.datetime.fromisoformat(t[:26] + "+00:00").timestamp()
        for s in self.streams.values():
            heard = s.heard
            for id, time, lane, key in self.heartbeats:
                if id == s.id and allowed(key, s.agent) and (s.lane is None or s.lane == lane):
                    heard = max(heard, time)
            if s.id in here and s.closed is None and heard and at(self.latest) - at(heard) > limit:
                last = max((n for n, g in s.good.items() if not g[0].stub), default=None)
                s.add("silence", last, where=s.good[last][0].where if last else None)

    def report(self, lost, open):
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
            "unsigned": sum(s.unsigned for s in self.streams.values()),
            "malformed": self.malformed + sum(s.malformed for s in self.streams.values()),
            "streams": streams,
            "open": open,
            "lost": lost,
            "erased": sum(s.erased for s in self.streams.values()),
            "findings": show(self.findings),
        }


def merged(findings):
    """Neighbours of a key that was not given are one finding."""
    out = []
    for x in sorted(findings, key=lambda f: (f[0], f[1] or 0)):
        if out and x[0] == "unknown_key" and out[-1][0] == x[0] and out[-1][2] + 1 == x[1]:
            out[-1] = out[-1][:2] + (x[2],) + out[-1][3:]
        else:
            out.append(x)
    return out


def cut(ranges, count):
    """The first `count` numbers of some ranges."""
    out = []
    for a, b in ranges:
        if count > 0:
            out.append((a, min(b, a + count - 1)))
            count -= out[-1][1] - a + 1
    return out


def runs(numbers):
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1] = (out[-1][0], n)
        else:
            out.append((n, n))
    return out
