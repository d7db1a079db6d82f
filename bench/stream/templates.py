"""What templates of free text would save a `compact` stream: the experiment of docs/decisions/0010-no-templates.md.

    pip install zstandard
    python3 bench/stream/templates.py [NAME=FILE ...]

Each corpus is one column of texts, one of an event. It is encoded as the stream does it today (the same as the last, an
entry of the dictionary, or the text itself; level 6, one context, flushed at each batch), and again with templates found as they
come, in the manner of Drain: a text goes as the number of a template and the words that differ, each slot of a template by itself.
Printed are bytes of an event, also if each batch could be had in whichever of the two forms is smaller, and nothing had to say
which. FILE adds a corpus of its own, a text a line.
"""

import random
import sys

import zstandard

BATCHES = (10, 100, 1000)
TEXTS = 10_000
SHORT, SIGHTINGS = 48, 3
ALIKE = 0.6  # of the words of two texts, for one template


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def counted(text):
    return varint(len(text)) + text


class Wire:
    def __init__(self):
        parameters = zstandard.ZstdCompressionParameters.from_level(6, window_log=20)
        self.zstd = zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def send(self, plain):
        sent = self.zstd.compress(plain) + self.zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return len(sent)


class Column:
    """What both forms have in common: the dictionary."""

    def __init__(self):
        self.last, self.entries, self.seen = b"", {}, {}

    def code(self, text):
        """The code of a text that need not be sent, and whether it is kept."""
        if text == self.last:
            return 0, False
        self.last = text
        if text in self.entries:
            return len(self.entries) - 1 - self.entries[text] + 3, False
        self.seen[text] = self.seen.get(text, 0) + 1
        keep = len(text) <= SHORT or self.seen[text] >= SIGHTINGS
        if keep:
            self.entries[text] = len(self.entries)
        return None, keep


class Today:
    def __init__(self):
        self.column, self.wire = Column(), Wire()

    def batch(self, texts):
        codes, literal = b"", b""
        for text in texts:
            code, keep = self.column.code(text)
            if code is None:
                code = 2 if keep else 1
                literal += counted(text)
            codes += varint(code)
        return self.wire.send(codes + literal)


class Templates:
    def __init__(self):
        self.column, self.wire = Column(), Wire()
        self.known = {}  # by number and first of its words: templates, which are lists of words, None where they differ
        self.count = 0

    def template(self, words):
        """The template of these words: its number, and whether it is new or has changed."""
        first = words[0] if not any(byte in b"0123456789" for byte in words[0]) else b"#"
        group = self.known.setdefault((len(words), first), [])
        best, most = None, ALIKE * len(words)
        for entry in group:
            same = sum(a is None or a == b for a, b in zip(entry[1], words, strict=True))
            constant = sum(a is not None for a in entry[1])
            if same >= most and constant:
                best, most = entry, same
        if best is None:
            best = [self.count, list(words)]
            self.count += 1
            group.append(best)
            return best, True
        general = [a if a == b else None for a, b in zip(best[1], words, strict=True)]
        changed = general != best[1]
        best[1] = general
        return best, changed

    def batch(self, texts):
        codes, defined, slots, plain = b"", b"", {}, b""
        for text in texts:
            code, keep = self.column.code(text)
            if code is not None:
                codes += varint(code + 2)
                continue
            words = text.split(b" ")
            entry, changed = self.template(words)
            constant = sum(len(word) for word in entry[1] if word is not None)
            if 2 * constant < len(text):
                # It would say more than it saves.
                codes += varint(2 if keep else 1)
                plain += counted(text)
                continue
            codes += varint(4 if keep else 3) + varint(entry[0])
            if changed:
                defined += varint(entry[0]) + counted(
                    b" ".join(b"\0" if word is None else word for word in entry[1])
                )
            for at, (constant, word) in enumerate(zip(entry[1], words, strict=True)):
                if constant is None:
                    slots.setdefault((entry[0], at), []).append(counted(word))
        return self.wire.send(codes + defined + b"".join(b"".join(slot) for slot in slots.values()) + plain)


def sentences():
    """Those of `Load::Text` in core/src/sinks/stream/tests/mod.rs."""
    words = [
        "looked",
        "customer",
        "the",
        "release",
        "found",
        "comments",
        "ticket",
        "which",
        "runs",
        "after",
        "a",
        "to",
        "of",
        "restart",
        "queue",
        "fails",
        "with",
        "timeout",
        "and",
        "then",
        "works",
        "again",
        "until",
        "noon",
    ]
    return [" ".join(chance.choice(words) for _ in range(8 + chance.randrange(12))) for _ in range(TEXTS)]


def reports():
    """The best that templates can meet: twelve sentences, of which only names, ids and numbers differ."""
    names = [
        f"{a}-{b}" for a in ("billing", "search", "mail", "cart", "auth") for b in ("api", "worker", "db")
    ]
    forms = [
        lambda: f"restarted {name()} after {number()} failed health checks, attempt {small()} of 5",
        lambda: f"looked up customer {ident()} in region eu-{small()} and found {small()} open tickets",
        lambda: f"read file /srv/{name()}/{ident()}.json of {number()} bytes",
        lambda: f"query to {name()} took {number()} ms, which is above the limit of 250 ms",
        lambda: f"refused to call {name()} because rule {small()} of the policy does not allow it",
        lambda: f"the run {ident()} needs an approval of the owner of {name()}",
        lambda: f"wrote {number()} rows to table {name()}",
        lambda: f"the model answered with {number()} tokens after {small()} tries",
        lambda: f"request {ident()} to {name()} timed out after {number()} ms; tried again",
        lambda: f"moved ticket {number()} to queue {name()} as asked",
        lambda: f"summarised {small()} comments of ticket {number()} for customer {ident()}",
        lambda: f"closed connection to {name()}: {number()} requests, {small()} errors",
    ]

    def name():
        return chance.choice(names)

    def number():
        return chance.randrange(20_000)

    def small():
        return 1 + chance.randrange(5)

    def ident():
        return f"{chance.getrandbits(32):08x}"

    return [chance.choice(forms)() for _ in range(TEXTS)]


def main(files):
    global chance
    chance = random.Random(7)
    corpora = {"sentences": sentences(), "reports": reports()}
    for argument in files:
        name, file = argument.split("=", 1)
        with open(file, errors="replace") as lines:
            texts = [line.rstrip("\n") for line in lines if line.strip()]
        corpora[name] = texts[:TEXTS]
    print("| bytes of an event, in batches of | | today | with templates | each batch as it is smaller |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, texts in corpora.items():
        texts = [text.encode() for text in texts]
        size = sum(map(len, texts)) / len(texts)
        for batch in BATCHES:
            today, templates = Today(), Templates()
            parts = [texts[at : at + batch] for at in range(0, len(texts), batch)]
            sizes = [(today.batch(part), templates.batch(part)) for part in parts]
            bytes_of = [sum(pair[0] for pair in sizes), sum(pair[1] for pair in sizes), sum(map(min, sizes))]
            cells = " | ".join(f"{total / len(texts):.2f}" for total in bytes_of)
            print(
                f"| {name} ({len(texts)} of {size:.0f} B, {templates.count} templates) | {batch} | {cells} |"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
