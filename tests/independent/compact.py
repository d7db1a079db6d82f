"""Reads the batches of a stateful stream, as docs/spec/stream.md describes them; shares no code with the core.

    python3 compact.py FILE.batches

FILE holds batches, each after its length as four bytes, the highest first. Prints their lines; given a
directory instead (../vectors/stream), compares those of each `.batches` in it with the `.ndjson` beside it.
"""

import datetime
import struct
import sys
from base64 import b64encode
from pathlib import Path

import jcs
import verifier
import zstandard

MARKS = dict(
    enumerate("text number json bool event_time time uuid hex base64 stream previous sequence".split(), 1)
)


CRC32C = []
for check in range(256):
    for _ in range(8):
        check = check >> 1 ^ 0x82F63B78 * (check & 1)
    CRC32C.append(check)


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        piece = self.data[self.at : self.at + n]
        assert len(piece) == n, "ends early"
        self.at += n
        return piece

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def counted(self):
        return self.take(self.varint())


class Bits:
    def __init__(self, data):
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, n):
        assert n <= self.left, "bits end early"
        bits = self.value & ((1 << n) - 1)
        self.value >>= n
        self.left -= n
        return bits

    def number(self, size):
        return 0 if size == 0 else self.take(size - 1) | 1 << (size - 1)


def crc32c(data):
    check = 0xFFFFFFFF
    for byte in data:
        check = CRC32C[(check ^ byte) & 0xFF] ^ check >> 8
    return check ^ 0xFFFFFFFF


def unzigzag(n):
    return n >> 1 if n % 2 == 0 else -(n + 1) // 2


def signed(n):
    """As 64 bits that wrap."""
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)


def time_text(nanos):
    seconds, rest = divmod(nanos, 10**9)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09}Z".rjust(30, "0").encode()


def uuid_text(raw):
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])).encode()


def v7(millis, random):
    assert 0 <= millis < 1 << 48
    high, low = random >> 62, random & (1 << 62) - 1
    return (millis << 80 | 7 << 76 | high << 64 | 2 << 62 | low).to_bytes(16, "big")


def number_text(mantissa, scale):
    digits = str(abs(mantissa)).rjust(scale + 1, "0")
    text = digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}"
    return (("-" if mantissa < 0 else "") + text).encode()


class Column:
    def __init__(self):
        self.entries, self.ids, self.time, self.near, self.random = [], [], 0, 0, 0


class Place:
    def __init__(self, kind, length):
        self.kind, self.length = kind, length
        self.last = {"text": b"", "json": b"", "bool": 0, "number": (0, 0)}.get(kind)
        self.numbers, self.said = [], []

    def read(self, events, plain, raw, bits):
        """What the batch says of each event, in order."""
        kind = self.kind
        if kind == "base64":
            self.said = [raw.take(self.length) for _ in range(events)]
            return
        if kind == "number":
            self.said = list(self.read_numbers(events, plain, bits))
            return
        codes = [plain.varint() for _ in range(events)]
        self.said = [(code, self.more(code, plain, raw, bits)) for code in codes]

    def more(self, code, plain, raw, bits):
        kind = self.kind
        if kind in ("text", "json") and code in (1, 2):
            return plain.counted()
        if kind in ("event_time", "time", "sequence"):
            return unzigzag(bits.number(code))
        if kind == "previous" and code == 1:
            return raw.take(32)
        if kind == "hex" and code == 1:
            return raw.take(self.length)
        if kind in ("uuid", "stream"):
            if code == 1:
                return unzigzag(plain.varint()), bits.take(74)
            if code == 2:
                return raw.take(16)
            if code in (3, 4):
                return unzigzag(plain.varint()), unzigzag(plain.varint())
        return None

    def read_numbers(self, events, plain, bits):
        mode, last = plain.byte(), self.last
        if mode == 0:
            for code in [plain.varint() for _ in range(events)]:
                if code == 1:
                    last = (unzigzag(plain.varint()), plain.byte())
                    if len(self.numbers) < 256:
                        self.numbers.append(last)
                elif code > 1:
                    last = self.numbers[-1 - (code - 2)]
                yield last
            return
        scales = plain.take(events) if mode & 16 else [last[1]] * events
        for scale in scales:
            value = unzigzag(bits.number(plain.byte()))
            last = (value + (last[0] if mode & 15 == 2 else 0), scale)
            yield last


class Decoder:
    def __init__(self):
        self.zstd = zstandard.ZstdDecompressor(max_window_size=1 << 20).decompressobj()
        self.empty()

    def empty(self):
        self.schemas, self.columns, self.streams = [], [], {}

    def define(self, plain):
        for _ in range(plain.varint()):
            skeleton = Bytes(plain.counted())
            pieces, places, piece = [], [], bytearray()
            while skeleton.at < len(skeleton.data):
                byte = skeleton.byte()
                if byte > 31:
                    piece.append(byte)
                    continue
                kind = MARKS[byte]
                pieces.append(bytes(piece))
                piece.clear()
                places.append(Place(kind, skeleton.byte() if kind in ("hex", "base64") else 0))
            pieces.append(bytes(piece))
            for place in places:
                number = plain.varint()
                if number == len(self.columns):
                    self.columns.append(Column())
                place.column = self.columns[number]
            self.schemas.append((pieces, places))

    def decode(self, batch):
        """The lines of a batch."""
        batch = Bytes(batch)
        check = batch.take(4)
        plain = Bytes(self.zstd.decompress(batch.counted()))
        raw = Bytes(batch.counted())
        bits = Bits(batch.data[batch.at :])
        if plain.byte() == 1:
            self.empty()
        self.define(plain)
        order = [plain.varint() for _ in range(plain.varint())]
        for number in dict.fromkeys(order):
            if number == 0:
                continue
            _, places = self.schemas[number - 1]
            asked = [place for place in places if place.kind != "base64"]
            flags = Bits(plain.take((len(asked) + 7) // 8))
            varies = {id(place): flags.take(1) for place in asked}
            for place in places:
                place.said = []
                if varies.get(id(place), 1):
                    place.read(order.count(number), plain, raw, bits)
        lines = []
        for number in order:
            line = self.event(*self.schemas[number - 1]) if number else plain.counted()
            lines.append(line)
            self.note(line)
        left = len(plain.data) - plain.at, len(raw.data) - raw.at, bits.left // 8
        assert left == (0, 0, 0), "more than it says"
        said = crc32c(b"".join(line + b"\n" for line in lines)).to_bytes(4, "little")
        assert said == check, "the lines are not those that were sent"
        return lines

    def note(self, line):
        try:
            envelope = jcs.parse(line)
        except ValueError:
            return
        if (
            isinstance(envelope, dict)
            and "streamid" in envelope
            and verifier.sequence(envelope.get("sequence"))
        ):
            self.streams[envelope["streamid"]] = (int(envelope["sequence"]), verifier.hash_of(envelope))

    def event(self, pieces, places):
        values, self.now, self.head = {}, 0, None
        first = [p for p in places if p.kind == "event_time"] + [p for p in places if p.kind == "stream"]
        for place in first + [place for place in places if place not in first]:
            said = place.said.pop(0) if place.said else None
            values[id(place)] = getattr(self, place.kind)(place, place.column, said)
        line = pieces[0]
        for place, piece in zip(places, pieces[1:], strict=True):
            line += values[id(place)] + piece
        return line

    def text(self, place, column, said):
        if said and said[0]:
            code, text = said
            if code > 2:
                text = column.entries[-1 - (code - 3)]
            if code == 2:
                column.entries.append(text)
            place.last = text
        return place.last

    json = text

    def number(self, place, column, said):
        place.last = place.last if said is None else said
        return number_text(*place.last)

    def bool(self, place, column, said):
        place.last = said[0] if said else place.last
        return b"true" if place.last else b"false"

    def time(self, place, column, said):
        column.time = signed(column.time + (said[1] if said else 0))
        return time_text(column.time)

    def event_time(self, place, column, said):
        text = self.time(place, column, said)
        self.now = column.time // 10**6
        return text

    def uuid(self, place, column, said):
        if said and said[0]:
            code, more = said
            if code == 1:
                column.random = more[1]
                place.last = v7(self.now + more[0], column.random)
            elif code == 2:
                place.last = more
            elif code in (3, 4):
                column.near = ((column.near if code == 3 else column.random) + more[1]) % (1 << 74)
                place.last = v7(self.now + more[0], column.near)
            else:
                place.last = column.ids[-1 - (code - 5)]
            column.ids.append(place.last)
        return uuid_text(place.last)

    def stream(self, place, column, said):
        text = self.uuid(place, column, said)
        self.head = self.streams.get(text.decode())
        return text

    def hex(self, place, column, said):
        if said and said[0]:
            code, more = said
            place.last = more if code == 1 else column.ids[-1 - (code - 2)]
            column.ids.append(place.last)
        return place.last.hex().encode()

    def base64(self, place, column, said):
        return b64encode(said)

    def previous(self, place, column, said):
        if said and said[0]:
            return said[1].hex().encode()
        return self.head[1].encode()

    def sequence(self, place, column, said):
        expected = (self.head[0] if self.head else 0) + 1
        return f"{expected + (said[1] if said else 0):020}".encode()


def lines(path):
    data, at, decoder = path.read_bytes(), 0, Decoder()
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield from decoder.decode(data[at + 4 : at + 4 + length])
        at += 4 + length


def main():
    path = Path(sys.argv[1])
    if not path.is_dir():
        for line in lines(path):
            sys.stdout.buffer.write(line + b"\n")
        return
    files = sorted(path.glob("*.batches"))
    assert files, "there are no vectors"
    for file in files:
        right = file.with_suffix(".ndjson").read_bytes().splitlines()
        assert list(lines(file)) == right, f"{file.name}: other lines"
        print(f"{file.name}: {len(right)} lines, bit for bit")


if __name__ == "__main__":
    main()
