//! Sealed envelopes as a fleet of agents makes them: a few hundred runs under way at a time, each in the
//! stream of its agent.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sinkwell::seam::{Uuid, format_time};
use sinkwell::sink::{Envelope, EnvelopeInner};

/// Agents that emit.
pub(crate) const AGENTS: u64 = 20;
/// Envelopes of a run.
const RUN: u64 = 150;
/// Runs under way at a time.
const AT_ONCE: u64 = 200;
/// 2026-01-01T00:00:00Z
const START: i64 = 1_767_225_600_000_000_000;

const TYPES: [&str; 6] = [
    "dev.sinkwell.tool.invocation",
    "dev.sinkwell.policy.decision",
    "dev.sinkwell.model.usage",
    "dev.sinkwell.tool.invocation",
    "dev.sinkwell.run.progress",
    "com.example.purchase",
];

/// Makes envelopes in order.
#[derive(Default)]
pub(crate) struct Maker {
    /// How many were made.
    pub(crate) made: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    sequences: [u64; AGENTS as usize],
    hashes: [[u8; 32]; AGENTS as usize],
}

pub(crate) fn agent(n: u64) -> String {
    format!("did:web:example.com:agents:buyer-{n}")
}

/// The run of the `n`-th envelope.
pub(crate) fn run(n: u64) -> String {
    let run = n / (RUN * AT_ONCE) * AT_ONCE + n % AT_ONCE;
    let digest = Sha256::digest(run.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid(bytes).to_string()
}

impl Maker {
    /// The next one.
    pub(crate) fn make(&mut self) -> Envelope {
        let n = self.made;
        let agent_no = n % AT_ONCE % AGENTS;
        let (sequence, previous) = {
            let at = &mut self.sequences[agent_no as usize];
            *at += 1;
            (*at, self.hashes[agent_no as usize])
        };
        let agentid = agent(agent_no);
        let time = START + n as i64 * 1_000_000;
        let digest = Sha256::digest(n.to_be_bytes());
        let mut random = [0; 16];
        random.copy_from_slice(&digest[..16]);
        let id = Uuid::v7(time, random);
        let streamid = Uuid::v7(START, [agent_no as u8; 16]);
        let event_type = TYPES[(n % 7 % 6) as usize];
        let (time_text, recorded_text) = (text(time), text(time + 300_000));
        // Members in RFC 8785 order.
        let mut line = String::with_capacity(1100);
        let _ = write!(
            line,
            "{{\"agentid\":\"{agentid}\",\"data\":{{\"duration_ms\":{},\"mcp.method.name\":\"tools/call\",\
             \"mcp.session.id\":\"{id}\",\"outcome\":\"ok\",\"tool\":\"search_catalogue\"}},\
             \"datacontenttype\":\"application/json\",\
             \"dataschema\":\"https://sinkwell.dev/schemas/governance-event/1.0\",\"id\":\"{id}\",\
             \"keyid\":\"k1\",",
            n % 900
        );
        if sequence > 1 {
            line.push_str("\"prevhash\":\"");
            for byte in previous {
                let _ = write!(line, "{byte:02x}");
            }
            line.push_str("\",");
        }
        let _ = write!(
            line,
            "\"recordedtime\":\"{recorded_text}\",\"runid\":\"{}\",\"sequence\":\"{sequence:020}\",\
             \"severitynumber\":9,\"severitytext\":\"INFO\",\"sigalg\":\"ed25519\"",
            run(n)
        );
        let tail = format!(
            ",\"source\":\"{agentid}\",\"specversion\":\"1.0\",\"streamid\":\"{streamid}\",\
             \"subject\":\"tool:search_catalogue\",\"tenantid\":\"tenant-{}\",\"time\":\"{time_text}\",\
             \"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\",\
             \"type\":\"{event_type}\"}}",
            n % 3
        );
        // The signature that is nobody's: 64 zero bytes.
        let mut place = String::from("{");
        if sequence > 1 {
            place.push_str("\"prevhash\":\"");
            for byte in previous {
                let _ = write!(place, "{byte:02x}");
            }
            place.push_str("\",");
        }
        let _ = writeln!(
            place,
            "\"recordedtime\":\"{recorded_text}\",\"sequence\":\"{sequence:020}\",\"streamid\":\"{streamid}\"}}"
        );
        let event = without_place(&line, &tail, &place);
        let digest: [u8; 32] =
            Sha256::new().chain_update(b"sinkwell-event-v1\n").chain_update(event).finalize().into();
        let hash: [u8; 32] = Sha256::new()
            .chain_update(b"sinkwell-place-v1\n")
            .chain_update(&place)
            .chain_update(digest)
            .finalize()
            .into();
        let _ = write!(line, ",\"signature\":\"{}AA==\"", "A".repeat(84));
        line.push_str(&tail);
        self.made += 1;
        self.bytes += line.len() as u64;
        self.hashes[agent_no as usize] = hash;
        Envelope::new(EnvelopeInner {
            bytes: line.into_bytes(),
            id: id.into(),
            event_type: event_type.into(),
            own: false,
            terminal: false,
            signed: true,
            streamid,
            sequence,
            span: None,
            hash,
            digest,
            prevhash: (sequence > 1).then_some(previous),
            agentid: Arc::from(agentid),
            time,
            recordedtime: time + 300_000,
            severity: 9,
        })
    }
}

fn text(nanos: i64) -> String {
    let mut out = Vec::new();
    format_time(&mut out, nanos);
    String::from_utf8(out).expect("ASCII")
}

/// The event of a line that is written in two halves around its signature: without place, `keyid` and `sigalg`.
fn without_place(line: &str, tail: &str, place: &str) -> String {
    let mut event = format!("{line}{tail}");
    let members = place.trim_end().trim_start_matches('{').trim_end_matches('}').split(',');
    for member in members.chain(["\"keyid\":\"k1\"", "\"sigalg\":\"ed25519\""]) {
        event = event.replacen(&format!(",{member}"), "", 1);
    }
    event
}
