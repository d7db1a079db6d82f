"""Makes changes to sealed files, and says of each, by the rule alone, whether a verifier must catch it.

    mutate.py [--every N] [--seed N] [--command PATH] [--write FOLDER]

Two files, one with `sign: each` and one with `sign: batch`, hold two streams with all that a stream may have: declared
losses, a key that changes, stubs, disclosures, checkpoints. Each change makes a file of its own, which the independent
verifier judges; with `--command` the command `sinkwell verify --format json` as well, and the two reports must be the
same. `--write` judges nothing: it writes each Nth changed file, for other verifiers, with the keys and the checkpoints.
`--every N` takes each Nth byte, and for the command each Nth of all changes (1: all of them).

What is expected comes from how a change was made, never from a verifier: `caught` (the verdict is `findings`) or
`harmless` (it is no worse than that of the file as it was). Exit 1 if anything is otherwise.
"""

import argparse
import base64
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import jcs
from check_vectors import ordered
from sealer import Key, Stream, hash_of, line, part, seq, sign, stub, unsigned, uuid7
from verifier import NoEnvelope, Verifier

HMAC = Key("k1", bytes(range(32)), "hmac-sha256")
ED = Key("k2", bytes(range(1, 33)), "ed25519")
STRANGER = {"k1": Key("k1", b"\x55" * 32, "hmac-sha256"), "k2": Key("k2", b"\x66" * 32, "ed25519")}
KEYS = [{"id": k.id} | k.verifying() for k in (HMAC, ED)]
CAUGHT, HARMLESS = "caught", "harmless"
COMPARED = ("verdict", "exit", "envelopes", "unsigned", "malformed", "open", "lost", "erased", "findings")


class World:
    """A sealed file, and a checkpoint file of it."""

    def __init__(self, mode):
        self.mode = mode
        Stream.ids = 0
        a = Stream(uuid7(1), HMAC, sign=mode)
        b = Stream(uuid7(2), ED, agent="did:web:other", sign=mode)
        commit, clear = part("tell me a secret")
        e = [a.opened(), b.opened(), a.tool(2), a.tool(3), b.tool(2)]
        told = a.seal("tool.invocation", {"tool": "t", "content": [commit]})
        told["data"] = told["data"] | {"disclosures": [clear]}
        e += [told, a.tool(5, signed=True), b.tool(3, signed=True)]
        a.tool(6), a.tool(7)
        e += [a.tool(8), a.loss("rejected", 2, [a.lost(6, 7)])]
        e += [a.loss("overflow", 3, [a.skip(3)]), a.heartbeat([b.head()]), a.tool(14, signed=True)]
        e += [b.tool(4), a.checkpoint(), a.retiring(ED), a.active(ED), a.tool(17), a.tool(18)]
        e += [a.tool(19, signed=True), b.tool(5), b.tool(6, signed=True)]
        ranges = [{"streamid": a.id, "agentid": a.agent, "from": seq(2), "to": seq(3)}]
        e += [a.retention(ranges), a.closed(), b.tool(7), b.tool(8, signed=True)]
        self.whole = {(x["streamid"], x["sequence"]): x for x in e}
        e[2], e[3] = stub(e[2]), stub(e[3])
        self.envelopes, self.lines = e, [line(x) for x in e]
        self.checkpoints = [line(x) for x in e if x.get("data", {}).get("action") in ("checkpoint", "closed")]
        self.checkpoints += [line(b.checkpoint())]
        self.appended = [(s, hash_of(next(x for x in e[::-1] if x["streamid"] == s.id))) for s in (a, b)]
        self.ends = {s.id: max(i for i, x in enumerate(e) if x["streamid"] == s.id) for s in (a, b)}

    def before(self, i):
        """The index of the line before, in the same stream."""
        same = [j for j in range(i) if self.envelopes[j]["streamid"] == self.envelopes[i]["streamid"]]
        return same[-1] if same else None

    def covered_later(self, i):
        """Whether a signature behind it covers line i: the chain of these files is whole."""
        return any(
            "signature" in x and x["streamid"] == self.envelopes[i]["streamid"]
            for x in self.envelopes[i + 1 :]
        )

    def cut(self, i):
        """What it is to take line i away: only of a stream's end nothing tells, if a signature stands before it."""
        if i != self.ends[self.envelopes[i]["streamid"]]:
            return CAUGHT
        return HARMLESS if "signature" in self.envelopes[self.before(i)] else CAUGHT


def changes(world, every, rng):
    """Yields (kind, expected, text of the file, whether the checkpoint file is given)."""
    lines, envelopes, count = world.lines, world.envelopes, len(world.lines)

    def file(new):
        return "".join(x + "\n" for x in new)

    def put(i, new):
        new = [new] if isinstance(new, (str, dict)) else new
        return file([*lines[:i], *(x if isinstance(x, str) else line(x) for x in new), *lines[i + 1 :]])

    # Any byte of any envelope.
    raw = file(lines).encode()
    starts = [0]
    for x in lines:
        starts.append(starts[-1] + len(x.encode()) + 1)
    at = 0
    for i, x in enumerate(lines):
        old, before = x.encode() + b"\n", jcs.parse(x.encode())
        for offset in range(len(old)):
            at += 1
            if at % every:
                continue
            new = bytearray(raw)
            new[starts[i] + offset] ^= 1 << rng.randrange(8)
            text = new.decode("utf-8", "surrogateescape")
            if offset == len(old) - 1:
                # The end of a line: two of them become one; the end of the file: the last line is torn.
                yield "byte", CAUGHT if i + 1 < count else world.cut(i), text, False
                continue
            try:
                same = jcs.parse(bytes(new[starts[i] : starts[i + 1] - 1])) == before
            except ValueError:
                same = False
            yield "byte", HARMLESS if same else CAUGHT, text, False

    for i, e in enumerate(envelopes):
        yield "removed", world.cut(i), put(i, []), False
        yield "removed, against checkpoints", CAUGHT, put(i, []), True
        yield "doubled", HARMLESS, put(i, [e, e]), False
        yield (
            "doubled and changed",
            CAUGHT,
            put(i, [e, e | {"recordedtime": "2026-01-01T00:59:00.000000000Z"}]),
            False,
        )
        if i + 1 < count:
            swapped = [*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]
            yield "swapped", HARMLESS, file(swapped), False
        pretty = json.dumps(json.loads(lines[i]), indent=None, separators=(" , ", " : "), ensure_ascii=True)
        yield "written anew", HARMLESS, put(i, pretty), False

        # Members: each taken away, given another value, and one added.
        for member in e:
            yield "member taken away", CAUGHT, put(i, {k: v for k, v in e.items() if k != member}), False
            other = 7 if not isinstance(e[member], (int, float)) else "7"
            yield "member of another type", CAUGHT, put(i, e | {member: other}), False
        yield "member added", CAUGHT, put(i, e | {"zzz": "1"}), False
        if "disclosures" in e.get("data", {}):
            bare = {k: v for k, v in e["data"].items() if k != "disclosures"}
            yield "disclosures taken away", HARMLESS, put(i, e | {"data": bare}), False

        # Signatures.
        if "signature" in e:
            harmless = world.mode == "batch" and world.covered_later(i)
            yield "signature taken away", HARMLESS if harmless else CAUGHT, put(i, unsigned(e)), False
            yield "signed by a stranger", CAUGHT, put(i, sign(e, STRANGER[e["keyid"]])), False
            random_bytes = base64.b64encode(rng.randbytes(len(base64.b64decode(e["signature"])))).decode()
            yield "signature of chance", CAUGHT, put(i, e | {"signature": random_bytes}), False
            for j, to in enumerate(envelopes):
                if j != i:
                    moved = to | {k: e[k] for k in ("keyid", "sigalg", "signature")}
                    yield "signature copied", CAUGHT, put(j, moved), False
                    both = [*lines]
                    both[i], both[j] = line(unsigned(e)), line(moved)
                    yield "signature moved", CAUGHT, file(both), False

        # What the key's holder sealed elsewhere.
        for j, from_ in enumerate(envelopes):
            if j == i or "stub" in from_:
                continue
            place = {k: e[k] for k in ("streamid", "sequence", "prevhash", "recordedtime") if k in e}
            event = {
                k: v
                for k, v in from_.items()
                if k not in ("streamid", "sequence", "prevhash", "recordedtime")
            }
            yield "spliced: another event in this place", CAUGHT, put(i, event | place), False
            if from_["streamid"] != e["streamid"]:
                yield (
                    "spliced: another stream's line",
                    CAUGHT,
                    put(i, from_ | {"streamid": e["streamid"]}),
                    False,
                )
                yield "replaced by another stream's line", world.cut(i), put(i, from_), False

        # Stubs.
        if "stub" in e:
            whole = world.whole[e["streamid"], e["sequence"]]
            yield "stub given back its envelope", HARMLESS, put(i, whole), False
            yield "stub of another event", CAUGHT, put(i, e | {"eventdigest": "ab" * 32}), False
        else:
            yield "envelope made a stub", CAUGHT, put(i, stub(e)), False
            yield "envelope made a stub", CAUGHT, put(i, unsigned(stub(e))), False

    # Tails.
    for n in range(1, count):
        kept = {}
        for e in envelopes[:n]:
            kept[e["streamid"]] = e
        proven = all("signature" in e for e in kept.values())
        # Without `retention` the stubs are removals; without its declaration a loss is one.
        told = any(e.get("data", {}).get("action") == "retention" for e in envelopes[:n])
        harmless = (
            proven and (told or not any("stub" in e for e in envelopes[:n])) and whole_losses(envelopes[:n])
        )
        yield "tail cut", HARMLESS if harmless else CAUGHT, file(lines[:n]), False
        yield "tail cut, against checkpoints", CAUGHT, file(lines[:n]), True
    for s, head in world.appended:
        bare = Stream(s.id, None, agent=s.agent, sign=world.mode)
        bare.next, bare.prev, bare.clock = s.next - (s.id == uuid7(2)), head, s.clock
        more = [line(bare.tool(i)) for i in range(3)] + [line(bare.closed())]
        for n in range(1, 5):
            yield "appended without the key", CAUGHT, file(lines + more[:n]), False
        lies = [*more[:3], line(sign(json.loads(more[3]), STRANGER[s.key.id]))]
        yield "appended and signed by a stranger", CAUGHT, file(lines + lies), False


def whole_losses(envelopes):
    """Whether no number of the first stream is missing and not yet declared."""
    numbers = [int(e["sequence"]) for e in envelopes if e["streamid"] == uuid7(1)]
    declared = {
        n
        for e in envelopes
        for r in e.get("data", {}).get("lost", [])
        for n in range(int(r["from"]), int(r["to"]) + 1)
    }
    return set(range(1, max(numbers) + 1)) <= set(numbers) | declared


def independent(text, checkpoints, seen):
    verifier = Verifier(KEYS, {}, seen)
    try:
        verifier.read("events.ndjson", text)
        if checkpoints:
            verifier.read_checkpoints("checkpoints.ndjson", "".join(x + "\n" for x in checkpoints))
        return verifier.finish()
    except NoEnvelope:
        return {"verdict": "error", "exit": 2}


class Command:
    """`sinkwell verify`, in a folder of its own."""

    def __init__(self, path, folder):
        self.path, self.folder = str(pathlib.Path(path).resolve()), pathlib.Path(folder)
        (self.folder / "k1").write_bytes(HMAC.secret)
        (self.folder / "k2.pem").write_text(ED.verifying()["spki_pem"])

    def verify(self, text, checkpoints):
        (self.folder / "events.ndjson").write_bytes(text.encode("utf-8", "surrogateescape"))
        call = [self.path, "verify", "--format", "json", "--key", "k1=hmac:k1", "--key", "k2=ed25519:k2.pem"]
        if checkpoints:
            (self.folder / "checkpoints.ndjson").write_text("".join(x + "\n" for x in checkpoints))
            call += ["--checkpoint", "checkpoints.ndjson"]
        done = subprocess.run([*call, "events.ndjson"], cwd=self.folder, capture_output=True, check=False)
        if done.returncode not in (0, 1):
            return {"verdict": "error", "exit": done.returncode}
        return json.loads(done.stdout) | {"exit": done.returncode}


def comparable(report):
    """What the two verifiers must agree on, without notes."""

    def findings(list):
        # Two notes say how lines lie in a file, and may be said of lines that nothing covers too.
        kept = [f for f in list if f["kind"] not in ("reordered", "not_canonical")]
        return [{k: f[k] for k in ("kind", "from", "to", "where") if f.get(k) is not None} for f in kept]

    if report["verdict"] == "error":
        return {"verdict": "error"}
    out = {k: report[k] for k in COMPARED}
    out["findings"] = findings(report["findings"])
    out["streams"] = [
        {k: s[k] for k in ("streamid", "envelopes", "closed", "verdict")}
        | {"findings": findings(s["findings"])}
        for s in report["streams"]
    ]
    return ordered(out)


def run(mode, arguments, folder):
    world, rng = World(mode), random.Random(arguments.seed)
    command = Command(arguments.command, folder) if arguments.command else None
    seen = ({}, {})
    base = independent("".join(x + "\n" for x in world.lines), None, seen)
    assert base["verdict"] == "incomplete", json.dumps(base, indent=1)
    kept = ({**seen[0]}, {**seen[1]})
    table, wrong, differ = collections.defaultdict(collections.Counter), 0, 0
    for number, (kind, expected, text, marked) in enumerate(changes(world, arguments.every, rng)):
        # What was reckoned of the lines that did not change.
        seen = ({**kept[0]}, {**kept[1]})
        checkpoints = world.checkpoints if marked else None
        report = independent(text, checkpoints, seen)
        got = {"findings": CAUGHT, "sound": HARMLESS, "incomplete": HARMLESS}.get(report["verdict"], "?")
        table[kind][got] += 1
        if got != expected:
            table[kind]["wrong"] += 1
            wrong += 1
            if wrong <= 10:
                print(f"{mode}: {kind}: {got}, expected {expected}: {json.dumps(report)}")
        if command and number % arguments.every == 0:
            table[kind]["by the command"] += 1
            mine, theirs = comparable(report), comparable(command.verify(text, checkpoints))
            if mine != theirs:
                table[kind]["differ"] += 1
                differ += 1
                if differ <= arguments.show:
                    print(
                        f"{mode}: {kind}: independent {json.dumps(mine)}\n  the command {json.dumps(theirs)}"
                    )
                    if arguments.keep:
                        pathlib.Path(arguments.keep).mkdir(parents=True, exist_ok=True)
                        name = f"{mode}-{differ}.ndjson"
                        pathlib.Path(arguments.keep, name).write_bytes(
                            text.encode("utf-8", "surrogateescape")
                        )
    columns = (CAUGHT, HARMLESS, "wrong", "by the command", "differ")
    print(f"\n| sign: {mode} | " + " | ".join(columns) + " |\n" + "| --- " * (1 + len(columns)) + "|")
    for kind, counts in table.items():
        print(f"| {kind} | " + " | ".join(str(counts[c]) for c in columns) + " |")
    total = collections.Counter()
    for counts in table.values():
        total.update(counts)
    print("| all | " + " | ".join(str(total[c]) for c in columns) + " |")
    return total


def write(every, seed, folder):
    """The changed files that others are to judge: `MODE-N.ndjson`, with `.marked` where the checkpoints are given."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    (folder / "k1").write_bytes(HMAC.secret)
    (folder / "k2.pem").write_text(ED.verifying()["spki_pem"])
    for mode in ("each", "batch"):
        world = World(mode)
        (folder / f"{mode}.checkpoints").write_text("".join(x + "\n" for x in world.checkpoints))
        made = changes(world, every, random.Random(seed))
        for number, (_, _, text, marked) in enumerate(made):
            if number % every == 0:
                name = f"{mode}-{number}.{'marked.' if marked else ''}ndjson"
                (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--command")
    parser.add_argument("--show", type=int, default=10, help="how many differences are printed")
    parser.add_argument("--keep", help="a folder for the files on which the two differ")
    parser.add_argument("--write", help="a folder for every Nth changed file; nothing is judged")
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.every, arguments.seed, arguments.write)
        return
    total = collections.Counter()
    for mode in ("each", "batch"):
        with tempfile.TemporaryDirectory() as folder:
            total.update(run(mode, arguments, folder))
    made, bad = total[CAUGHT] + total[HARMLESS] + total["?"], total["wrong"] + total["differ"]
    print(f"\n{made} changes, {total[CAUGHT]} caught, {total[HARMLESS]} harmless, {bad} not as they must be")
    sys.exit(bool(bad or not made))


if __name__ == "__main__":
    main()
