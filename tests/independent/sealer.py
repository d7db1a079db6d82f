"""Seals events as envelope.md says. Shares no code with the core."""

import base64
import hashlib
import hmac

import jcs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PREFIX = b"sinkwell-event-v1\n"
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

    def verifying(self):
        """What a verifier is given: SPKI PEM text, or the raw HMAC key."""
        if self.alg == "ed25519":
            pem = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            return {"spki_pem": pem.decode()}
        return {"hmac_base64": base64.b64encode(self.secret).decode()}


def signing_input(envelope):
    envelope = {k: v for k, v in envelope.items() if k != "signature"}
    if "disclosures" in envelope.get("data", {}):
        envelope["data"] = {k: v for k, v in envelope["data"].items() if k != "disclosures"}
    return PREFIX + jcs.canonical(envelope)


def hash_of(envelope):
    raw = base64.b64decode(envelope["signature"]) if "signature" in envelope else b""
    return hashlib.sha256(signing_input(envelope) + raw).hexdigest()


def sign(envelope, key):
    """Signs an envelope that is otherwise complete."""
    envelope = {k: v for k, v in envelope.items() if k not in ("sigalg", "keyid", "signature")}
    if key is not None:
        envelope |= {"sigalg": key.alg, "keyid": key.id}
        envelope["signature"] = base64.b64encode(key.sign(signing_input(envelope))).decode()
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
    """One stream of a lane."""

    ids = 0

    def __init__(self, id, key, agent="urn:sinkwell:agent:demo", lane="file", start=1):
        self.id, self.key, self.agent, self.lane = id, key, agent, lane
        self.next, self.prev, self.clock = start, None, 0.0

    def seal(self, type, data=None, own=False, key=None, clock=None, **attributes):
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
        envelope = sign(envelope, key or self.key)
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

    def skip(self, n):
        """Numbers for events that overflow dropped: declared by the next envelope."""
        first = self.next
        self.next += n
        return {"from": seq(first), "to": seq(self.next - 1)}

    def loss(self, reason, count, lost=None, **more):
        data = {"reason": reason, "count": count, "lane": self.lane}
        if lost is not None:
            data["lost"] = lost
        return self.seal("policy.breach", data | more, own=True, severitytext="ERROR")

    def heartbeat(self, heads=(), **more):
        data = {"lane": self.lane, "state": "healthy", "counters": {}, "heads": list(heads)}
        return self.seal("heartbeat", data, own=True, **more)


def part(clear, salt=b"\x01" * 16, index=0, cls="prompt"):
    """A content part's commitment and its disclosure."""
    raw = clear.encode()
    digest = hashlib.sha256(b"sinkwell-part-v1\n" + salt + raw).hexdigest()
    commitment = {"class": cls, "mediatype": "text/plain", "size": len(raw), "mode": "raw", "digest": digest}
    return commitment, {"part": index, "salt": base64.b64encode(salt).decode(), "text": clear}


def stub(envelope):
    """What retention leaves."""
    out = {"stub": "sinkwell-v1", "streamid": envelope["streamid"], "sequence": envelope["sequence"]}
    if "prevhash" in envelope:
        out["prevhash"] = envelope["prevhash"]
    return out | {"hash": hash_of(envelope)}
