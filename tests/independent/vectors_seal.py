"""Cases of make_vectors.py about what a signature covers: batches, stubs, whose word counts, missing lanes."""

import base64

from sealer import Key, Stream, hash_of, line, seq, sign, stub, time, unsigned, uuid7

HMAC = Key("k1", bytes(range(32)), "hmac-sha256")
ED = Key("k2", bytes(range(1, 33)), "ed25519")
OTHER = Key("k1", b"\x55" * 32, "hmac-sha256")
S1, S2, S3 = uuid7(1), uuid7(2), uuid7(3)
AGENT = "urn:sinkwell:agent:demo"


def batches(key=ED, n=3, id=S1, close=True, **more):
    """opened; two batches of `n` events, the last of each signed; closed. Lines 4 and 7 end a batch."""
    s = Stream(id, key, sign="batch", **more)
    e = [s.opened()]
    for _ in range(2):
        e += [s.tool(i, signed=i == n - 1) for i in range(n)]
    return s, e + ([s.closed()] if close else [])


def changed(envelope, **data):
    return envelope | {"data": envelope["data"] | data}


def moved(to, envelope):
    """`to`, with the signature of another envelope."""
    return to | {k: envelope[k] for k in ("sigalg", "keyid", "signature")}


def batch_signed(case, f, stream):
    def bad(name, about, written, findings, **more):
        more.setdefault("keys", (ED,))
        closed = more.pop("closed", True)
        found = [stream(verdict="findings", closed=closed, findings=findings)]
        case(name, about, written, "findings", found, **more)

    def good(name, about, written, verdict="sound", findings=(), **more):
        more.setdefault("keys", (ED,))
        closed = more.pop("closed", True)
        case(
            name, about, written, verdict, [stream(verdict=verdict, closed=closed, findings=findings)], **more
        )

    for key in (HMAC, ED):
        _, e = batches(key)
        name = f"batch_{key.alg.replace('-', '_')}"
        good(name, "One signature a batch covers the envelopes before it.", e, keys=(key,), envelopes=8)
    _, e = batches()
    good("batch_without_key", "The same without a key.", e, "unchecked", keys=())
    good("batch_strict", "The same with --strict: a batch is no note.", e, options={"strict": True})
    good(
        "batch_partial",
        "The middle of a batch-signed file: what `opened` says is not known.",
        e[2:],
        options={"partial": True},
    )
    good(
        "batch_reordered",
        "Order in the file is not that of the stream.",
        e[:2] + [e[3], e[2]] + e[4:],
        findings=[f("reordered", 4, 3)],
    )
    good(
        "batch_signature_taken_away",
        "A signature taken away where a later one covers: nothing that can be shown.",
        e[:3] + [unsigned(e[3])] + e[4:],
    )
    good(
        "batch_all_but_the_last_taken_away",
        "The signature of `closed` alone covers the stream, `opened` too.",
        [unsigned(x) for x in e[:-1]] + e[-1:],
    )
    good(
        "batch_copies_of_one_hash",
        "Of copies the one with a signature is kept, whichever comes first.",
        e[:6] + [unsigned(e[6]), e[6], e[7]],
        findings=[f("duplicate", 8, 7)],
    )
    bad(
        "batch_last_signature_taken_away",
        "Without the last signature nothing covers what came after the one before.",
        e[:7] + [unsigned(e[7])],
        [f("unsigned", 8, 8)],
        closed=False,
        unsigned=1,
        opens=[(S1, 7, 7)],
    )
    bad(
        "batch_tail_cut_before_the_signature",
        "The tail is cut off before the signature that covered it.",
        e[:6],
        [f("unsigned", 5, 5, 6)],
        closed=False,
        unsigned=2,
        opens=[(S1, 4, 4)],
    )
    good(
        "batch_tail_cut_behind_a_signature",
        "A tail cut off behind a signature shows only against a checkpoint.",
        e[:4],
        closed=False,
        opens=[(S1, 4, 4)],
    )

    # One changed field is one finding, as far back as the signature before.
    bad(
        "batch_altered",
        "A field changed behind a signature: from there on nothing is proven.",
        e[:4] + [changed(e[4], n=9)] + e[5:],
        [f("altered", 5, 5)],
    )
    bad(
        "batch_altered_further",
        "The same, one later: what lies between it and the signature is not proven.",
        e[:5] + [changed(e[5], n=9)] + e[6:],
        [f("altered", 5, 5, 6)],
    )
    bad(
        "batch_altered_signed",
        "The same in the envelope that is signed.",
        e[:6] + [changed(e[6], n=9)] + e[7:],
        [f("altered", 5, 5, 7)],
    )
    bad(
        "batch_altered_recordedtime",
        "A place that is changed.",
        e[:5] + [e[5] | {"recordedtime": time(59)}] + e[6:],
        [f("altered", 5, 5, 6)],
    )
    bad(
        "batch_altered_form",
        "A field changed so that it has no form: altered all the same.",
        e[:5] + [e[5] | {"time": "yesterday"}] + e[6:],
        [f("altered", 5, 5, 6)],
    )
    bad(
        "batch_altered_agentid",
        "Another agent's name.",
        e[:5] + [e[5] | {"agentid": "did:web:other"}] + e[6:],
        [f("altered", 5, 5, 6)],
    )
    bad(
        "batch_altered_prevhash",
        "Another link.",
        e[:5] + [e[5] | {"prevhash": "0" * 64}] + e[6:],
        [f("altered", 5, 5, 6)],
    )
    bad(
        "batch_altered_closed",
        "The last envelope changed: nothing closes the stream.",
        e[:7] + [changed(e[7], lane="x")],
        [f("altered", 8, 8)],
        closed=False,
        opens=[(S1, 7, 7)],
    )
    bad(
        "batch_altered_twice",
        "Two batches, one change in each.",
        [*e[:1], changed(e[1], n=9), *e[2:5], changed(e[5], n=9), *e[6:]],
        [f("altered", 2, 2), f("altered", 5, 5, 6)],
    )

    # Signatures that are not the envelope's.
    bad(
        "batch_wrong_signature_covered",
        "A wrong signature where a later one covers: the envelope stays good.",
        e[:6] + [moved(e[6], e[3])] + e[7:],
        [f("altered", 7, 7)],
    )
    bad(
        "batch_signature_moved",
        "A signature moved to the envelope before.",
        e[:5] + [moved(e[5], e[6]), unsigned(e[6]), e[7]],
        [f("altered", 6, 6)],
    )
    bad(
        "batch_half_a_signature",
        "A signature without its algorithm.",
        e[:6] + [{k: v for k, v in e[6].items() if k != "sigalg"}] + e[7:],
        [f("altered", 7, 7)],
    )
    bad(
        "batch_last_signature_wrong",
        "The last signature is another one's.",
        e[:7] + [moved(e[7], e[6])],
        [f("altered", 8, 8)],
        closed=False,
        opens=[(S1, 7, 7)],
    )
    bad(
        "batch_signed_by_another",
        "Signed by another key of the same name; a later one covers it.",
        e[:6] + [sign(e[6], Key("k2", b"\x66" * 32, "ed25519"))] + e[7:],
        [f("altered", 7, 7)],
    )
    bad(
        "batch_signed_by_unknown",
        "Signed by a key that was not given; a later one covers it.",
        e[:6] + [sign(e[6], HMAC)] + e[7:],
        [f("unknown_key", 7, 7)],
    )
    bad(
        "batch_unknown_key",
        "No signature that can be checked: from one to the next, and all of one key.",
        e,
        [f("unknown_key", 1, 1, 8)],
        keys=(HMAC,),
        closed=False,
    )
    good(
        "batch_every_one_signed",
        "Batch-signed, and each has a signature: more than is owed.",
        [sign(x, ED) for x in e],
    )

    # Copies that nothing covers.
    copy = changed(e[5], n=9)
    bad(
        "batch_unsigned_copy",
        "A changed copy beside the good one conflicts with nothing.",
        e[:6] + [copy] + e[6:],
        [f("unsigned", 7, 6)],
        unsigned=1,
    )
    bad(
        "batch_unsigned_copy_first",
        "The same, read first.",
        e[:5] + [copy] + e[5:],
        [f("unsigned", 6, 6)],
        unsigned=1,
    )
    bad(
        "batch_altered_copy",
        "A changed copy of the signed one.",
        e[:6] + [changed(e[6], n=9)] + e[6:],
        [f("altered", 7, 7)],
    )
    s, a = batches(close=False)
    fork = Stream(S1, ED, sign="batch")
    fork.next, fork.prev, fork.clock = 6, hash_of(a[4]), 20
    twins = [fork.tool(7), fork.tool(8, signed=True)]
    bad(
        "batch_conflict",
        "Two histories, both signed.",
        a + twins + [s.closed()],
        [f("conflict", 8, 6), f("conflict", 9, 7)],
    )

    # Removed, appended, spliced.
    bad(
        "batch_removed",
        "A line taken out: what came before it in its batch is not proven either.",
        e[:5] + e[6:],
        [f("removed", 6, 6), f("unsigned", 5, 5)],
        unsigned=1,
    )
    bad("batch_removed_first_of_batch", "The first behind a signature.", e[:4] + e[5:], [f("removed", 5, 5)])
    bad(
        "batch_removed_signed",
        "The signed one of a batch.",
        e[:6] + e[7:],
        [f("removed", 7, 7), f("unsigned", 5, 5, 6)],
        unsigned=2,
    )
    bad(
        "batch_filled_with_other",
        "Another in the place of one taken out.",
        e[:5] + [unsigned(e[5]) | {"data": {"tool": "x"}}] + e[6:],
        [f("altered", 5, 5, 6)],
    )
    s, a = batches(close=False)
    unkeyed = Stream(S1, None)
    unkeyed.next, unkeyed.prev, unkeyed.clock = s.next, s.prev, s.clock
    more = [unkeyed.tool(1), unkeyed.tool(2)]
    bad(
        "batch_appended_without_key",
        "Lines with the right links, appended to a dead process's file.",
        a + more,
        [f("unsigned", 8, 8, 9)],
        closed=False,
        unsigned=2,
        opens=[(S1, 7, 7)],
    )
    close = unkeyed.closed()
    bad(
        "batch_closed_without_key",
        "The same with a `closed` that nobody signed: it closes nothing.",
        a + more + [close],
        [f("unsigned", 8, 8, 10)],
        closed=False,
        unsigned=3,
        opens=[(S1, 7, 7)],
    )
    unkeyed = Stream(S1, None)
    unkeyed.next, unkeyed.prev, unkeyed.clock = s.next, s.prev, s.clock
    lie = unkeyed.loss("overflow", 2, [{"from": seq(6), "to": seq(7)}])
    bad(
        "batch_declared_without_key",
        "A declaration that nothing covers covers nothing up.",
        a[:5] + [lie],
        [f("unsigned", 5, 5), f("unsigned", 6, 8)],
        closed=False,
        unsigned=2,
        opens=[(S1, 4, 4)],
    )
    late = Stream(S1, OTHER, sign="batch")
    late.next, late.prev, late.clock = s.next, s.prev, s.clock
    bad(
        "batch_appended_by_another_key",
        "The same, signed by another key of the same name.",
        a + [late.tool(1), sign(late.tool(2), Key("k2", b"\x66" * 32, "ed25519"))],
        [f("altered", 8, 8, 9)],
        closed=False,
        opens=[(S1, 7, 7)],
    )
    bad(
        "batch_far_ahead_without_key",
        "A number far ahead that nobody signed: nothing is missing before it.",
        [*a, unsigned(a[2]) | {"sequence": seq(900)}],
        [f("unsigned", 8, 900)],
        closed=False,
        unsigned=1,
        opens=[(S1, 7, 7)],
    )
    bad(
        "batch_behind_closed",
        "An unsigned stretch behind `closed`.",
        [*e, unsigned(e[2]) | {"sequence": seq(9), "prevhash": hash_of(e[7])}],
        [f("unsigned", 9, 9)],
        unsigned=1,
    )
    _, other = batches(id=S2)
    bad(
        "batch_spliced",
        "A line of another stream under this one's name.",
        e[:5] + [other[5] | {"streamid": S1}] + e[6:],
        [f("altered", 5, 5, 6)],
    )
    # With its own signature in the middle it is a place that the key's holder never sealed.
    bad(
        "batch_spliced_signed",
        "The same with a signed one.",
        e[:6] + [other[6] | {"streamid": S1}] + e[7:],
        [f("altered", 5, 5, 7)],
    )

    # What is claimed by an envelope that nothing covers.
    s = Stream(S1, ED, sign="batch")
    e = [s.opened(), s.tool(1), s.heartbeat([{"streamid": S2, "sequence": seq(9), "head": "ab" * 32}])]
    case(
        "batch_heartbeat_not_covered",
        "What an uncovered heartbeat claims of other streams means nothing.",
        e,
        "findings",
        [stream(verdict="findings", findings=[f("unsigned", 2, 2, 3)])],
        keys=(ED,),
        unsigned=2,
        opens=[(S1, 1, 1)],
    )
    e += [s.tool(2, signed=True)]
    case(
        "batch_heartbeat_covered",
        "The same once covered.",
        e,
        "findings",
        [stream()],
        keys=(ED,),
        top=[f("missing_stream", 3)],
        opens=[(S1, 4, 4)],
    )
    s, a = batches(close=False)
    t = Stream(S2, None, start=9)
    head = {"streamid": S1, "sequence": seq(8), "head": "ab" * 32}
    case(
        "batch_follows_not_covered",
        "An unsigned stream that says it follows a longer one.",
        [*a, t.opened(why="restart", follows=head)],
        "findings",
        [stream(S1), stream(S2, "findings", findings=[f("unsigned", 8, 9)])],
        keys=(ED,),
        unsigned=1,
        opens=[(S1, 7, 7)],
    )
    t = Stream(S2, ED, start=9, sign="batch")
    head = {"streamid": S1, "sequence": seq(8), "head": hash_of(more[0])}
    case(
        "batch_follows_what_nobody_signed",
        "No head that is named is a signature: what it names stays unsigned.",
        [*a, more[0], t.opened(why="restart", follows=head), t.closed()],
        "findings",
        [stream(S1, "findings", findings=[f("unsigned", 8, 8)]), stream(S2)],
        keys=(ED,),
        unsigned=1,
        opens=[(S1, 7, 7)],
    )
    s, a = batches(close=False)
    t = Stream(S2, ED, start=8, sign="batch")
    case(
        "batch_follows",
        "A stream that nobody closed, but of which the next one says where it ended.",
        [*a, t.opened(why="restart", follows=s.head()), t.closed()],
        "sound",
        [stream(S1, closed=False), stream(S2)],
        keys=(ED,),
    )
    unclosed = Stream(S1, ED, sign="batch")
    e = [unclosed.opened(), unclosed.tool(), unclosed.tool(), unclosed.checkpoint()]
    wrong = e[:3] + [unsigned(e[3]) | {"data": e[3]["data"] | {"head": "cd" * 32}}]
    case(
        "batch_checkpoint_not_covered",
        "A forged checkpoint makes nothing altered but itself.",
        wrong,
        "findings",
        [stream(verdict="findings", findings=[f("unsigned", 2, 2, 4)])],
        keys=(ED,),
        unsigned=3,
        opens=[(S1, 1, 1)],
    )
    case(
        "batch_checkpoint_file_needs_signatures",
        "In a checkpoint file only its own signature counts.",
        e,
        "findings",
        [stream()],
        keys=(ED,),
        checkpoints=[unsigned(e[3])],
        top=[f("unsigned", "checkpoints.ndjson:1", 4)],
        opens=[(S1, 4, 4)],
    )


def batch_losses(case, f, stream):
    def one(name, about, written, verdict, findings, **more):
        closed = more.pop("closed", True)
        case(
            name,
            about,
            written,
            verdict,
            [stream(verdict=verdict, closed=closed, findings=findings)],
            keys=(ED,),
            **more,
        )

    def lossy(**range):
        """opened; 2 and 3; 4, which the receiver refused; 5; 6, which declares it; 7, closed."""
        s = Stream(S1, ED, sign="batch")
        e = [s.opened(), s.tool(2), s.tool(3), s.tool(4), s.tool(5)]
        lost = {k: v for k, v in (s.lost(4) | range).items() if v is not None}
        return e[:3] + e[4:] + [s.loss("rejected", 1, [lost]), s.closed()]

    one(
        "batch_declared",
        "A declared loss carries coverage over its own hole: by `prev`.",
        lossy(),
        "incomplete",
        [f("declared_loss", 5, 4)],
        lost={"rejected": 1},
    )
    one(
        "batch_declared_without_prev",
        "The same without `prev`: what lies before the hole is not covered.",
        lossy(prev=None),
        "findings",
        [f("declared_loss", 5, 4), f("unsigned", 2, 2, 3)],
        lost={"rejected": 1},
        unsigned=2,
    )
    one(
        "batch_declared_wrong_prev",
        "The same with another `prev`: what lies before the hole is not what was there.",
        lossy(prev="ab" * 32),
        "findings",
        [f("declared_loss", 5, 4), f("altered", 2, 2, 3)],
        lost={"rejected": 1},
    )
    e = lossy()
    one(
        "batch_declared_altered_before",
        "A field changed before the declared hole.",
        e[:2] + [changed(e[2], n=9)] + e[3:],
        "findings",
        [f("declared_loss", 5, 4), f("altered", 2, 2, 3)],
        lost={"rejected": 1},
    )
    one(
        "batch_declared_altered_behind",
        "A field changed behind the hole: the declaration leads over it.",
        e[:3] + [changed(e[3], n=9)] + e[4:],
        "findings",
        [f("declared_loss", 5, 4), f("altered", 4, 5)],
        lost={"rejected": 1},
    )
    one(
        "batch_declared_signature_lost",
        "The declaration's own signature taken away: `closed` covers it.",
        e[:4] + [unsigned(e[4]), e[5]],
        "incomplete",
        [f("declared_loss", 5, 4)],
        lost={"rejected": 1},
    )
    one(
        "batch_declared_not_covered",
        "The same, and nothing covers it: nothing is declared.",
        e[:4] + [unsigned(e[4])],
        "findings",
        [f("unsigned", 2, 2, 3), f("unsigned", 4, 5, 6)],
        closed=False,
        unsigned=4,
        opens=[(S1, 1, 1)],
    )
    s = Stream(S1, ED, sign="batch")
    e = [s.opened(), s.tool(2), s.tool(3), s.tool(4), s.tool(5)]
    e += [s.loss("uncertain", 1, [s.lost(3, 5, maybe=True)]), s.closed()]
    one(
        "batch_declared_maybe",
        "One of three, which the receiver would not say: `prev` is that of the first.",
        e[:2] + e[3:],
        "incomplete",
        [f("declared_loss", 5, 3)],
        lost={"uncertain": 1},
    )
    one(
        "batch_declared_maybe_in_the_middle",
        "The same, and the hole does not begin where the range does: the link behind it is not known.",
        e[:3] + e[4:],
        "findings",
        [f("declared_loss", 5, 4), f("unsigned", 3, 3)],
        lost={"uncertain": 1},
        unsigned=1,
    )
    one("batch_declared_but_there", "All are there after all.", e, "sound", [])

    s = Stream(S1, ED, sign="batch")
    e = [s.opened(), s.tool(2), s.loss("overflow", 3, [s.skip(3)]), s.tool(7, signed=True), s.closed()]
    one(
        "batch_skip",
        "Numbers that were never sealed: the chain leads over them.",
        e,
        "incomplete",
        [f("declared_loss", 3, 3, 5)],
        lost={"overflow": 3},
    )
    one(
        "batch_skip_altered_before",
        "The same, and a field changed before them: one finding more.",
        [e[0], changed(e[1], n=9)] + e[2:],
        "findings",
        [f("declared_loss", 3, 3, 5), f("altered", 2, 2)],
        lost={"overflow": 3},
    )
    s = Stream(S1, ED, sign="batch")
    e = [s.opened(), s.tool(2)]
    s.skip(2)
    e += [s.tool(5, signed=True), s.closed()]
    one(
        "batch_gap",
        "Numbers skipped and not declared; the chain, and coverage, lead over them.",
        e,
        "findings",
        [f("gap", 3, 3, 4)],
    )
    bogus = unsigned(e[1]) | {"sequence": seq(4)}
    one(
        "batch_bogus_in_a_gap",
        "An unsigned line in a number that was skipped: the link over it still holds.",
        e[:2] + [bogus] + e[2:],
        "findings",
        [f("altered", 3, 4), f("gap", 4, 3)],
    )
    s = Stream(S1, ED, sign="batch")
    e = [s.opened(), s.tool(2), s.tool(3), s.tool(4), s.tool(5)]
    e += [s.loss("rejected", 2, [s.lost(3), s.lost(4)]), s.closed()]
    one(
        "batch_declared_one_by_one",
        "Two ranges, side by side: the first one's `prev` leads on.",
        e[:2] + e[4:],
        "incomplete",
        [f("declared_loss", 4, 3), f("declared_loss", 4, 4)],
        lost={"rejected": 2},
    )

    s, a = batches(n=2, close=False)
    t = Stream(S2, ED, start=6, sign="batch")
    lost = s.lost(5) | {"streamid": S1}
    e = [t.opened(why="restart", follows=s.head()), t.loss("journal_damage", 1, [lost]), t.closed()]
    case(
        "batch_declared_of_predecessor",
        "A declaration in another stream is compared, and covers nothing.",
        a[:4] + e,
        "findings",
        [stream(S1, "findings", findings=[f("unsigned", 4, 4), f("declared_loss", 6, 5)]), stream(S2)],
        keys=(ED,),
        unsigned=1,
        lost={"journal_damage": 1},
        opens=[(S1, 3, 3)],
    )
    t = Stream(S2, ED, start=6, sign="batch")
    lost = s.lost(4, 5) | {"streamid": S1, "prev": "cd" * 32}
    e = [t.opened(why="restart", follows=s.head()), t.loss("journal_damage", 2, [lost]), t.closed()]
    case(
        "declared_of_predecessor_wrong_prev",
        "Another link than the predecessor has.",
        a[:3] + e,
        "findings",
        [stream(S1, "findings", findings=[f("altered", 5, 3), f("declared_loss", 5, 4, 5)]), stream(S2)],
        keys=(ED,),
        lost={"journal_damage": 2},
        opens=[(S1, 3, 3)],
    )

    # What a hostile producer may write: ranges as long as numbers go, counts that are none.
    most = 2**53 - 1
    s = Stream(S1, ED)
    e = [s.opened(), s.tool(2), s.tool(3)]
    e += [
        s.loss("rejected", 1, [{"from": seq(1), "to": seq(most)}, {"from": seq(5), "to": seq(2)}]),
        s.closed(),
    ]
    one(
        "hostile_range",
        "A range of all numbers covers what is missing before itself, and no more.",
        e[:1] + e[2:],
        "incomplete",
        [f("declared_loss", 3, 2)],
        lost={"rejected": 1},
    )
    s = Stream(S1, ED)
    e = [s.opened(), s.loss("rejected", 1, [{"from": seq(2), "to": seq(most), "streamid": S2}]), s.closed()]
    one(
        "hostile_range_of_another",
        "The same of a stream that is not there.",
        e,
        "incomplete",
        [f("declared_loss", 2)],
        lost={"rejected": most - 1},
    )
    s = Stream(S1, ED)
    e = [
        s.opened(),
        s.loss("rejected", -3),
        s.loss("rejected", 1.5),
        s.loss("rejected", "many"),
        s.loss("rejected", 1, "all"),
        s.loss("overflow", 1e300),
        s.closed(),
    ]
    one(
        "hostile_counts",
        "What is no count, or no list, counts nothing.",
        e,
        "incomplete",
        [f("declared_loss", 5)],
        lost={"rejected": 1},
    )


def key_changes(case, f, stream):
    def change(key, new, sign="batch", late=None):
        """opened, 2; 3, retiring; 4, active; 5; 6, signed; closed. `late` seals 6 in the new key's stead."""
        s = Stream(S1, key, sign=sign)
        e = [
            s.opened(),
            s.tool(2),
            s.retiring(new),
            s.active(new),
            s.tool(5),
            s.tool(6, signed=True, key=late),
        ]
        return [*e, s.closed()]

    def one(name, about, written, verdict, findings, **more):
        more.setdefault("keys", (HMAC, ED))
        closed = more.pop("closed", True)
        case(
            name, about, written, verdict, [stream(verdict=verdict, closed=closed, findings=findings)], **more
        )

    e = change(HMAC, ED)
    one("batch_key_changed", "From one key to another in a batch-signed stream.", e, "sound", [])
    one(
        "batch_key_changed_old_not_given",
        "The new key covers what the old one signed; whose that was is not known.",
        e,
        "findings",
        [f("unknown_key", 1, 1), f("unknown_key", 3, 3)],
        keys=(ED,),
    )
    one(
        "batch_key_changed_new_not_given",
        "Naming is not trust: the new key was not given.",
        e,
        "findings",
        [f("unknown_key", 4, 4, 7)],
        keys=(HMAC,),
        closed=False,
        opens=[(S1, 3, 3)],
    )
    one(
        "batch_key_changed_by_the_new_alone",
        "A stretch that the old key had not signed is signed by the new one.",
        [e[0], e[1], unsigned(e[2]), *e[3:]],
        "sound",
        [],
    )
    s = Stream(S1, HMAC)
    last = {"action": "key_retiring", "keyid": HMAC.id, "other": ED.id} | ED.public()
    e = [
        s.opened(),
        s.tool(2, key=ED),
        s.seal("audit.chain", last, own=True, key=ED),
        s.active(ED),
        s.tool(5),
        s.closed(),
    ]
    one(
        "key_changed_by_the_new_alone",
        "The old key's signer was dead: the new key signed in its stead, the announcement of its end as well.",
        e,
        "sound",
        [],
    )
    one(
        "batch_retired_key",
        "The old key signs once more; the new one's signature covers it, and it is said.",
        change(HMAC, ED, late=HMAC),
        "findings",
        [f("retired_key", 6, 6)],
    )
    e = change(HMAC, ED, late=HMAC)[:6]
    one(
        "batch_retired_key_last",
        "The same, with nothing behind it: what it signed is not covered.",
        e,
        "findings",
        [f("retired_key", 5, 5, 6)],
        closed=False,
        opens=[(S1, 4, 4)],
    )
    s = Stream(S1, HMAC, sign="batch")
    e = [s.opened(), s.tool(2), unsigned(s.retiring(ED)), s.tool(4), s.tool(5, signed=True)]
    one(
        "batch_retired_key_hides_its_retirement",
        "Its last signature taken away, the old key signs on: the retirement "
        "that this signature itself covers speaks against it.",
        e,
        "findings",
        [f("retired_key", 2, 2, 5)],
        closed=False,
        opens=[(S1, 1, 1)],
    )
    s = Stream(S1, HMAC)
    e = [
        s.opened(),
        s.tool(2),
        s.retiring(ED),
        s.active(ED, sign="batch"),
        s.tool(5),
        s.tool(6, signed=True),
        s.closed(),
    ]
    one("each_then_batch", "The new key signs batches.", e, "sound", [])
    one(
        "each_then_batch_taken_away",
        "A signature taken away is said where each was signed.",
        [e[0], unsigned(e[1]), *e[2:5], unsigned(e[5]), e[6]],
        "findings",
        [f("unsigned", 2, 2)],
        unsigned=1,
    )
    s = Stream(S1, HMAC, sign="batch")
    e = [s.opened(), s.tool(2), s.retiring(ED), s.active(ED, sign="each"), s.tool(5), s.tool(6), s.closed()]
    one(
        "batch_then_each_taken_away",
        "The same the other way round.",
        [*e[:4], unsigned(e[4]), *e[5:]],
        "findings",
        [f("unsigned", 5, 5)],
        unsigned=1,
    )


def signatures(case, f, stream):
    """Each envelope signed: what can happen to signatures."""
    s = Stream(S1, HMAC)
    e = [s.opened(), s.tool(2), s.tool(3), s.tool(4), s.closed()]

    def bad(name, about, written, findings, **more):
        closed = more.pop("closed", True)
        case(
            name,
            about,
            written,
            "findings",
            [stream(verdict="findings", closed=closed, findings=findings)],
            **more,
        )

    bad(
        "signature_of_another",
        "A signature moved to another envelope.",
        e[:2] + [moved(e[2], e[3])] + e[3:],
        [f("altered", 3, 3)],
    )
    bad(
        "signatures_swapped",
        "Two signatures swapped.",
        e[:2] + [moved(e[2], e[3]), moved(e[3], e[2])] + e[4:],
        [f("altered", 3, 3), f("altered", 4, 4)],
    )
    bad(
        "signatures_taken_away",
        "Several taken away.",
        [e[0], unsigned(e[1]), unsigned(e[2]), e[3], e[4]],
        [f("unsigned", 2, 2, 3)],
        unsigned=2,
    )
    bad(
        "signature_taken_away_and_changed",
        "Taken away, and the envelope changed: one finding.",
        e[:2] + [unsigned(changed(e[2], n=9))] + e[3:],
        [f("unsigned", 3, 3)],
        unsigned=1,
    )
    bad(
        "signature_taken_away_before_changed",
        "Taken away, and the next envelope changed.",
        [e[0], unsigned(e[1]), changed(e[2], n=9)] + e[3:],
        [f("unsigned", 2, 2), f("altered", 3, 3)],
        unsigned=1,
    )
    bad(
        "last_signature_taken_away",
        "The last one's: the stream is not closed by it.",
        e[:4] + [unsigned(e[4])],
        [f("unsigned", 5, 5)],
        closed=False,
        unsigned=1,
        opens=[(S1, 4, 4)],
    )
    bad(
        "signature_of_opened_taken_away",
        "That of `opened`, which the next one covers.",
        [unsigned(e[0]), *e[1:]],
        [f("unsigned", 1, 1)],
        unsigned=1,
    )
    case(
        "signed_copy_beside_unsigned",
        "A copy without signature beside the one with it: the same hash.",
        e[:2] + [unsigned(e[2])] + e[2:],
        "sound",
        [stream(findings=[f("duplicate", 4, 3)])],
    )
    bad(
        "wrong_copy_beside_good",
        "A copy with a wrong signature beside the good one.",
        e[:3] + [moved(e[2], e[3])] + e[3:],
        [f("altered", 4, 3)],
    )
    bad(
        "wrong_copy_before_good",
        "The same, read first.",
        e[:2] + [moved(e[2], e[3])] + e[2:],
        [f("altered", 3, 3)],
    )
    bare = Stream(S1, None)
    bare.next, bare.prev, bare.clock = s.next - 1, hash_of(e[3]), 9
    more = [bare.tool(1), bare.tool(2)]
    bad(
        "appended_without_key",
        "Lines with the right links, appended by somebody without the key.",
        e[:4] + more,
        [f("unsigned", 5, 5, 6)],
        closed=False,
        unsigned=2,
        opens=[(S1, 4, 4)],
    )
    old = base64.b64encode(bytes(64)).decode()
    bad(
        "wrong_signature_of_other_length",
        "A signature of another length.",
        e[:2] + [e[2] | {"signature": old}] + e[3:],
        [f("altered", 3, 3)],
    )
    null = line(e[2]).replace('"signature":"' + e[2]["signature"] + '"', '"signature":null')
    bad("signature_null", "A signature that is null.", e[:2] + [null] + e[3:], [f("altered", 3, 3)])


def stubs(case, f, stream):
    def erased(a, b=None, **more):
        return {"streamid": S1, "agentid": AGENT, "from": seq(a), "to": seq(b or a)} | more

    def made(how="batch", ranges=None):
        """opened; 2, 3; 4, signed; 5, retention; 6, closed; 2 to 4 erased."""
        s = Stream(S1, ED, sign=how)
        e = [s.opened(), s.tool(2), s.tool(3), s.tool(4, signed=True)]
        e += [s.retention(ranges if ranges is not None else [erased(2, 4)]), s.closed()]
        return s, e, [e[0], *map(stub, e[1:4]), *e[4:]]

    def bad(name, about, written, findings, **more):
        more.setdefault("keys", (ED,))
        closed = more.pop("closed", True)
        case(
            name,
            about,
            written,
            "findings",
            [stream(verdict="findings", closed=closed, findings=findings)],
            **more,
        )

    _, e, cut = made()
    for how in ("batch", "each"):
        _, _, c = made(how)
        case(
            f"erased_{how}",
            "Stubs have hash and signature of what they stand for.",
            c,
            "incomplete",
            [stream(verdict="incomplete", envelopes=3, findings=[f("erased", 2, 2, 4)])],
            keys=(ED,),
            erased=3,
        )
    case(
        "erased_without_key",
        "The same without a key.",
        cut,
        "unchecked",
        [stream(verdict="unchecked", findings=[f("erased", 2, 2, 4)])],
        keys=(),
        erased=3,
    )
    bad(
        "stub_forged_batch",
        "A stub with another digest: it is not what stood there.",
        [*cut[:2], cut[2] | {"eventdigest": "ab" * 32}, *cut[3:]],
        [f("altered", 2, 2, 3), f("erased", 4, 4)],
        erased=1,
    )
    bad(
        "stub_forged_signed",
        "The same in the one with the signature.",
        [*cut[:3], cut[3] | {"eventdigest": "ab" * 32}, *cut[4:]],
        [f("altered", 2, 2, 4)],
    )
    bad(
        "stub_other_place",
        "A stub with another time.",
        [*cut[:2], cut[2] | {"recordedtime": time(50)}, *cut[3:]],
        [f("altered", 2, 2, 3), f("erased", 4, 4)],
        erased=1,
    )
    bad(
        "stub_wrong_signature",
        "A stub with a wrong signature, which a later one covers: it stays what it was.",
        [*cut[:3], moved(cut[3], e[4]), *cut[4:]],
        [f("altered", 4, 4), f("erased", 2, 2, 4)],
        erased=3,
    )
    _, _, each = made("each")
    bad(
        "stub_signature_taken_away",
        "Each is signed: a stub as well.",
        [*each[:2], unsigned(each[2]), *each[3:]],
        [f("unsigned", 3, 3), f("erased", 2, 2, 4)],
        erased=3,
        unsigned=1,
    )
    _, _, none = made(ranges=[])
    bad(
        "stub_without_retention",
        "Stubs that no retention covers are removals.",
        none,
        [f("removed", 2, 2, 4)],
    )
    _, _, c = made(ranges=[erased(2, 4, agentid="did:web:other")])
    bad(
        "retention_of_another_agent",
        "Retention that names another agent than the stream's.",
        c,
        [f("removed", 2, 2, 4)],
    )
    _, _, c = made(ranges=[{k: v for k, v in erased(2, 4).items() if k != "agentid"}])
    bad("retention_of_nobody", "Retention that names no agent.", c, [f("removed", 2, 2, 4)])
    _, e, _ = made(ranges=[erased(1, 4)])
    bad(
        "stub_of_opened",
        "Own envelopes are never erased: the first of a stream is one.",
        [stub(e[0]), *e[1:]],
        [f("removed", 1, 1)],
        envelopes=5,
    )
    extra = cut[2] | {"note": "nothing to see"}
    bad(
        "stub_with_more",
        "A stub has these members and no others: nothing would sign them.",
        [*cut[:2], extra, *cut[3:]],
        [f("malformed", 2, 2, 3), f("erased", 4, 4)],
        malformed=1,
        erased=1,
    )
    bad(
        "stub_of_later_version",
        "A stub of a form that is not known.",
        [*cut[:2], cut[2] | {"stub": "sinkwell-v2"}, *cut[3:]],
        [f("malformed", 2, 2, 3), f("erased", 4, 4)],
        malformed=1,
        erased=1,
    )
    _, e, cut = made()
    case(
        "stub_beside_envelope_batch",
        "The stub, and the envelope itself: it is not erased here.",
        [*cut[:2], e[1], *cut[2:]],
        "incomplete",
        [stream(verdict="incomplete", findings=[f("erased", 4, 3, 4)])],
        keys=(ED,),
        erased=2,
    )
    bad(
        "stub_uncovered",
        "A stub that nobody signed, behind all signatures.",
        [*cut, unsigned(stub(e[1])) | {"sequence": seq(7), "prevhash": hash_of(e[5])}],
        [f("erased", 2, 2, 4), f("unsigned", 7, 7)],
        erased=3,
        unsigned=1,
    )

    # Whose key: ED may seal for the stream's agent, HMAC for another.
    agents = {"k2": "urn:sinkwell:agent:*", "k1": "did:web:other"}
    case(
        "erased_by_its_agent",
        "A key that is bound to the stream's agent.",
        cut,
        "incomplete",
        [stream(verdict="incomplete", findings=[f("erased", 2, 2, 4)])],
        keys=(ED, HMAC),
        agents=agents,
        erased=3,
    )
    other = Stream(S2, HMAC, agent="did:web:other")
    theirs = [other.opened(), other.retention([erased(2, 4)]), other.closed()]
    case(
        "retention_by_another_agents_key",
        "Retention by a key that is bound to another agent erases nothing.",
        [*none, *theirs],
        "findings",
        [stream(S1, "findings", findings=[f("removed", 2, 2, 4)]), stream(S2)],
        keys=(ED, HMAC),
        agents=agents,
    )
    ours = Stream(S2, ED)
    lane = [ours.opened(), ours.retention([erased(2, 4)]), ours.closed()]
    case(
        "retention_in_another_stream",
        "The lane's own stream says what was erased.",
        [*none, *lane],
        "incomplete",
        [stream(S1, "incomplete", findings=[f("erased", 2, 2, 4)]), stream(S2)],
        keys=(ED, HMAC),
        agents=agents,
        erased=3,
    )
    forged = [*cut[:3], sign(cut[3], HMAC), *cut[4:]]
    case(
        "stub_signed_by_another_agents_key",
        "A stub that the key of another agent signed.",
        forged,
        "findings",
        [stream(verdict="findings", findings=[f("altered", 4, 4), f("erased", 2, 2, 4)])],
        keys=(ED, HMAC),
        agents=agents,
        erased=3,
    )
    last = [*cut[:4], sign(stub(e[4]) | {"eventdigest": "cd" * 32}, HMAC)]
    case(
        "stub_appended_by_another_agents_key",
        "The same at the end: nothing covers it.",
        last,
        "findings",
        [stream(verdict="findings", closed=False, findings=[f("removed", 2, 2, 4), f("altered", 5, 5)])],
        keys=(ED, HMAC),
        agents=agents,
        opens=[(S1, 4, 4)],
    )
    case(
        "stubs_alone",
        "Part of a stream, of which stubs alone are left; another stream says whose they were.",
        [*cut[1:4], *lane],
        "incomplete",
        [stream(S1, "incomplete", findings=[f("erased", 1, 2, 4)]), stream(S2)],
        keys=(ED, HMAC),
        agents=agents,
        erased=3,
        options={"partial": True},
        **{"open": 1},
    )


def whose_word(case, f, stream):
    """A claim counts from a key that may seal for the agent of the stream that it names."""
    A, B = "did:web:a", "did:web:b"
    agents = {"k1": A, "k2": B}

    def theirs():
        a = Stream(S1, HMAC, agent=A)
        return a, [a.opened(clock=0), a.tool(2, clock=1), a.tool(3, clock=2)]

    a, e = theirs()
    b = Stream(S2, ED, agent=B)
    e += [
        b.opened(clock=0),
        b.heartbeat([{"streamid": S1, "sequence": seq(2), "head": "ab" * 32}]),
        b.closed(),
    ]
    case(
        "claim_of_another_agents_key_altered",
        "A key that is bound to B cannot make A's stream altered.",
        e,
        "sound",
        [stream(S1), stream(S2)],
        keys=(HMAC, ED),
        agents=agents,
        opens=[(S1, 3, 3)],
    )
    a, e = theirs()
    b = Stream(S2, ED, agent=B)
    listed = {"streamid": S1, "agentid": A, "state": "open", "sequence": seq(9), "head": "ab" * 32}
    e += [b.opened(clock=0), b.tool(2), b.checkpoint(streams=[listed]), b.closed()]
    case(
        "claim_of_another_agents_key_truncated",
        "Nor truncated.",
        e,
        "sound",
        [stream(S1), stream(S2)],
        keys=(HMAC, ED),
        agents=agents,
        opens=[(S1, 3, 3)],
    )
    case(
        "claim_of_another_agents_key_missing",
        "Nor missing.",
        e[3:],
        "sound",
        [stream(S2)],
        keys=(HMAC, ED),
        agents=agents,
    )
    a, e = theirs()
    b = Stream(S2, ED, agent=B)
    e += [b.opened(clock=0), b.heartbeat([a.head()], clock=180), b.tool(clock=200)]
    case(
        "silence_heard_by_another_agents_key",
        "A heartbeat by a key that may not seal for A has not heard of A.",
        e,
        "findings",
        [stream(S1, "findings", findings=[f("silence", 3, 3)]), stream(S2)],
        keys=(HMAC, ED),
        agents=agents,
        options={"silence": "90s"},
        opens=[(S1, 3, 3), (S2, 3, 6)],
    )
    a, e = theirs()
    c = Stream(S3, HMAC, agent=A, lane="other")
    e += [c.opened(clock=0), c.heartbeat([a.head()], clock=180), c.tool(clock=200)]
    case(
        "silence_heard_by_another_lane",
        "Nor has another lane's.",
        e,
        "findings",
        [stream(S1, "findings", findings=[f("silence", 3, 3)]), stream(S3)],
        keys=(HMAC, ED),
        agents=agents,
        options={"silence": "90s"},
        opens=[(S1, 3, 3), (S3, 3, 6)],
    )

    # A signature by the key of another agent covers nothing, whatever agent its envelope names.
    a = Stream(S1, HMAC, agent=A, sign="batch")
    e = [a.opened(), a.tool(2), a.tool(3, signed=True)]
    bare = Stream(S1, ED, agent=A, sign="batch")
    bare.next, bare.prev, bare.clock = a.next, a.prev, a.clock
    e += [bare.tool(4), bare.tool(5)]
    last = bare.tool(6, signed=True)
    case(
        "batch_covered_by_another_agents_key",
        "A key that is bound to B covers nothing in A's stream.",
        [*e, last],
        "findings",
        [stream(verdict="findings", findings=[f("altered", 4, 4, 6)])],
        keys=(HMAC, ED),
        agents=agents,
        opens=[(S1, 3, 3)],
    )
    named = sign(unsigned(last) | {"agentid": B}, ED)
    case(
        "batch_covered_by_another_agent",
        "The same, in an envelope that names B.",
        [*e, named],
        "findings",
        [stream(verdict="findings", findings=[f("altered", 4, 4, 6)])],
        keys=(HMAC, ED),
        agents=agents,
        opens=[(S1, 3, 3)],
    )


def lanes(case, f, stream):
    one, two = Stream(S1, HMAC, lane="siem"), Stream(S2, HMAC, lane="debug")
    a = [one.opened(), one.tool(2), one.checkpoint(), one.closed()]
    b = [two.opened(), two.tool(2), two.checkpoint(), two.closed()]
    marks = [a[2], b[2], a[3], b[3]]
    case(
        "lanes_all_there",
        "Two lanes and their checkpoints.",
        a + b,
        "sound",
        [stream(S1), stream(S2)],
        checkpoints=marks,
    )
    case(
        "missing_lane",
        "A lane taken away as a whole, which the checkpoint file names: a note.",
        a,
        "sound",
        [stream(S1)],
        checkpoints=marks,
        top=[f("missing_lane", "checkpoints.ndjson:2")],
    )
    case(
        "missing_lane_strict",
        "The same with --strict.",
        a,
        "findings",
        [stream(S1)],
        exit=1,
        checkpoints=marks,
        top=[f("missing_lane", "checkpoints.ndjson:2")],
        options={"strict": True},
    )
    case(
        "missing_lane_asked",
        "--lane says which lanes the input should hold.",
        a,
        "findings",
        [stream(S1)],
        top=[f("missing_lane")],
        options={"lanes": ["siem", "debug"]},
    )
    case(
        "missing_lane_asked_with_checkpoints",
        "The same with the checkpoint file: said once.",
        a,
        "findings",
        [stream(S1)],
        checkpoints=marks,
        top=[f("missing_lane")],
        options={"lanes": ["siem", "debug"]},
    )
    case(
        "missing_lane_not_asked",
        "--lane, and the checkpoint file names another: no note.",
        a,
        "sound",
        [stream(S1)],
        checkpoints=marks,
        options={"lanes": ["siem"], "strict": True},
    )
    case("lane_there", "--lane, and it is there.", a, "sound", [stream(S1)], options={"lanes": ["siem"]})
    case(
        "lane_asked_and_gone",
        "The only lane that the checkpoint file names is asked for, and gone.",
        a,
        "findings",
        [stream(S1)],
        checkpoints=[b[2]],
        top=[f("missing_lane")],
        options={"lanes": ["siem", "debug"]},
    )

    # A crashed stream is missing as a whole, unless all its numbers are declared.
    gone = Stream(S1, HMAC)
    _ = [gone.opened(), gone.tool(2), gone.tool(3)]
    head = gone.head()

    def after(ranges, count):
        t = Stream(S2, HMAC, start=4)
        lost = [{"from": seq(x), "to": seq(y), "streamid": S1} for x, y in ranges]
        return [t.opened(why="restart", follows=head), t.loss("journal_damage", count, lost), t.closed()]

    t = Stream(S3, HMAC)
    mark = [t.opened(), t.checkpoint(streams=[head | {"agentid": AGENT, "state": "open"}]), t.closed()]
    case(
        "missing_stream_last_declared",
        "The last number alone is declared: the rest was taken away.",
        after([(3, 3)], 1) + mark,
        "findings",
        [stream(S2, "incomplete", findings=[f("declared_loss", 2)]), stream(S3)],
        lost={"journal_damage": 1},
        top=[f("missing_stream", 5)],
    )
    case(
        "missing_stream_all_declared",
        "All its numbers are declared.",
        after([(1, 2), (3, 3)], 3) + mark,
        "incomplete",
        [stream(S2, "incomplete", findings=[f("declared_loss", 2), f("declared_loss", 2)]), stream(S3)],
        lost={"journal_damage": 3},
    )


GROUPS = (batch_signed, batch_losses, key_changes, signatures, stubs, whose_word, lanes)
