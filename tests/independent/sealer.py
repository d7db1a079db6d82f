"""Seals events as docs/spec/envelope.md says. Shares no code with the core."""

import base64
import hashlib
import hmac

import jcs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

EVENT, PLACE, SEAL = b"sinkwell-event-v1\n", b"sinkwell-place-v1\n", b"sinkwell-seal-v1\n"
PLACE_MEMBERS = ("streamid", "sequence", "prevhash", "recordedtime")
SIGNATURE_MEMBERS = ("keyid", "sigalg", "signature")
SCHEMA = "https://sinkwell.dev/schemas/governance-event/1.0"
SEVERITY = {"TRACE": 1, "DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}


class Key:
    def __init__(self, id, secret, alg):
        self.id, self.secret, self.alg = id, secret, alg
        if alg == "ed25519":
            self.private = Ed25519PrivateKey.from_private_bytes(secret)

    def sign(self, data):
        if self.alg == "ed25519":
            return self.private.sign(data)
        return hmac.new(self.secret, data, hashlib.sha256).digest()

    def public(self):
        """What an announcement says of a key."""
        if self.alg == "ed25519":
            der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return {"alg": self.alg, "spki": base64.b64encode(der).decode()}
        return {"alg": self.alg, "sha256": hashlib.sha256(self.secret).hexdigest()}

    def verifying(self):
        """What a verifier is given: SPKI PEM text, or the raw HMAC key."""
        if self.alg == "ed25519":
            pem = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return {"spki_pem": pem.decode()}
        return {"hmac_base64": base64.b64encode(self.secret).decode()}


def event_of(envelope):
    """What the event digest is over: all but place, signature and disclosures."""
    out = {k: v for k, v in envelope.items() if k not in PLACE_MEMBERS + SIGNATURE_MEMBERS}
    if isinstance(out.get("data"), dict):
        out["data"] = {k: v for k, v in out["data"].items() if k != "disclosures"}
    return out


def place_of(envelope):
    return {k: envelope[k] for k in PLACE_MEMBERS if k in envelope}


def digest_of(envelope):
    """The event digest: of an envelope computed, of a stub as it says."""
    if "stub" in envelope:
        return bytes.fromhex(envelope["eventdigest"])
    return hashlib.sha256(EVENT + jcs.canonical(event_of(envelope))).digest()


def raw_hash(envelope):
    place = PLACE + jcs.canonical(place_of(envelope)) + b"\n"
    return hashlib.sha256(place + digest_of(envelope)).digest()


def hash_of(envelope):
    return raw_hash(envelope).hex()


def unsigned(envelope):
    """An envelope or stub without its signature members."""
    return {k: v for k, v in envelope.items() if k not in SIGNATURE_MEMBERS}


def sign(envelope, key):
    """Signs an envelope that is otherwise complete; its hash does not change."""
    envelope = unsigned(envelope)
    if key is not None:
        envelope |= {"sigalg": key.alg, "keyid": key.id}
        envelope["signature"] = base64.b64encode(key.sign(SEAL + raw_hash(envelope))).decode()
    return envelope


def line(envelope):
    return jcs.canonical(envelope).decode()


def seq(n):
    return f"{n:020d}"


def uuid7(n, millis=1767225600000):
    """A fixed UUIDv7."""
    tail = f"{n:020x}"
    head = f"{millis:012x}"
    return f"{head[:8]}-{head[8:]}-7{tail[1:4]}-8{tail[5:8]}-{tail[8:]}"


def time(seconds):
    """2026-01-01T00:00:00Z and so many seconds, below an hour."""
    minutes, rest = divmod(seconds, 60)
    return f"2026-01-01T00:{int(minutes):02d}:{rest:012.9f}Z"


class Stream:
    """One stream of a lane. With `sign="batch"` an event is signed only where `signed=True` says so."""

    ids = 0

    def __init__(self, id, key, agent="urn:sinkwell:agent:demo", lane="file", start=1, sign="each"):
        self.id, self.key, self.agent, self.lane = id, key, agent, lane
        self.next, self.prev, self.clock, self.sign = start, None, 0.0, sign if key else "none"
        self.links = {}

    def seal(self, type, data=None, own=False, key=None, clock=None, signed=False, **attributes):
        """Seals one event and answers the envelope."""
        Stream.ids += 1
        if clock is not None:
            self.clock = clock
        severity = attributes.pop("severitytext", "INFO")
        envelope = {
            "specversion": "1.0",
            "id": uuid7(0x1000 + Stream.ids),
            "source": self.agent,
            "type": "dev.sinkwell." + type,
            "time": time(self.clock),
            "recordedtime": time(self.clock),
            "datacontenttype": "application/json",
            "dataschema": SCHEMA,
            "data": data or {},
            "agentid": self.agent,
            "severitytext": severity,
            "severitynumber": SEVERITY[severity],
            "streamid": self.id,
            "sequence": seq(self.next),
            "prevhash": self.prev,
            "origin": "core" if own else None,
        } | attributes
        envelope = {k: v for k, v in envelope.items() if v is not None}
        if self.sign == "each" or signed or (own and type != "heartbeat"):
            envelope = sign(envelope, key or self.key)
        self.links[self.next] = self.prev
        self.prev = hash_of(envelope)
        self.next += 1
        self.clock += 1
        return envelope

    def head(self):
        """Where the stream stands: its last envelope."""
        return {"streamid": self.id, "sequence": seq(self.next - 1), "head": self.prev}

    def opened(self, **more):
        data = {
            "action": "opened",
            "why": "start",
            "sign": self.sign,
            "lane": self.lane,
            "classes": ["debug"],
            "version": "0.1.0",
        }
        return self.seal("audit.chain", data | more, own=True)

    def tool(self, n=0, **more):
        return self.seal("tool.invocation", {"tool": "search", "outcome": "ok", "n": n}, **more)

    def checkpoint(self, action="checkpoint", streams=None, **more):
        data = {"action": action, "lane": self.lane, "time": time(self.clock - 1)} | self.head()
        if streams is not None:
            data["streams"] = streams
        return self.seal("audit.chain", data, own=True, **more)

    def closed(self, **more):
        return self.checkpoint("closed", **more)

    def retiring(self, new):
        data = {"action": "key_retiring", "keyid": self.key.id, "other": new.id} | new.public()
        return self.seal("audit.chain", data, own=True)

    def active(self, new, sign=None):
        """The new key seals from here on."""
        old, self.key, self.sign = self.key, new, sign or self.sign
        data = {"action": "key_active", "keyid": new.id, "other": old.id, "sign": self.sign} | old.public()
        return self.seal("audit.chain", data, own=True)

    def skip(self, n):
        """Numbers for events that overflow dropped: declared by the next envelope."""
        first = self.next
        self.next += n
        return {"from": seq(first), "to": seq(self.next - 1)}

    def lost(self, a, b=None, **more):
        """A range of sealed numbers, as a loss lists it: with the link that its first had."""
        prev = {"prev": self.links[a]} if self.links[a] else {}
        return {"from": seq(a), "to": seq(b or a)} | prev | more

    def loss(self, reason, count, lost=None, **more):
        data = {"reason": reason, "count": count, "lane": self.lane}
        if lost is not None:
            data["lost"] = lost
        return self.seal("policy.breach", data | more, own=True, severitytext="ERROR")

    def heartbeat(self, heads=(), **more):
        data = {"lane": self.lane, "state": "healthy", "counters": {}, "heads": list(heads)}
        return self.seal("heartbeat", data, own=True, **more)

    def retention(self, ranges, **more):
        data = {"action": "retention", "lane": self.lane, "policy": "p", "ranges": ranges}
        return self.seal("audit.chain", data, own=True, **more)


def part(clear, salt=b"\x01" * 16, index=0, cls="prompt"):
    """A content part's commitment and its disclosure."""
    raw = clear.encode()
    digest = hashlib.sha256(b"sinkwell-part-v1\n" + salt + raw).hexdigest()
    commitment = {"class": cls, "mediatype": "text/plain", "size": len(raw), "mode": "raw", "digest": digest}
    return commitment, {"part": index, "salt": base64.b64encode(salt).decode(), "text": clear}


def stub(envelope):
    """What retention leaves: the place, the digest, and the signature where it has one."""
    out = {"stub": "sinkwell-v1", "eventdigest": digest_of(envelope).hex()}
    return out | {k: envelope[k] for k in PLACE_MEMBERS + SIGNATURE_MEMBERS if k in envelope}
