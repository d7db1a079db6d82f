//! What the detectors cost, today's beside an earlier commit's, over benign and adversarial text of 1 KiB to 1 MiB;
//! see `bench/redaction/speed.sh`, which puts the earlier sources in place.
//!
//! The best of many rounds in the thread's own processor time, the two in turn, so that other work on the machine
//! counts for neither.

#![allow(dead_code, unused_imports, missing_docs, reason = "parts of the core, for themselves")]

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

mod config {
    /// As in the core's configuration.
    pub(crate) const DETECTORS: [&str; 13] = [
        "email", "phone", "card", "iban", "ip", "jwt", "aws", "gcp", "azure", "github", "pem", "bearer",
        "secrets",
    ];
}

/// Where the core's configuration has them today.
mod settings {
    pub(crate) use crate::config::DETECTORS;
}

mod content;
mod old;

const BENIGN: [(&str, &str); 5] = [
    (
        "prose",
        "The agent read the ticket, searched the knowledge base twice and wrote a reply. It cost 0.0042 USD for 1234 \
         tokens in 17 steps; the build of 2026-11-21 took 12.5 s. ",
    ),
    (
        "code",
        "let total: u64 = items.iter().map(|i| i.price * 100).sum(); // see src/cart.rs:42\n\
         {\"id\":\"123e4567-e89b-12d3-a456-426614174000\",\"status\":200,\"path\":\"/api/v1/items?page=2\"}\n",
    ),
    (
        "cyrillic",
        "Агент прочитал заявку, дважды поискал в базе знаний и написал ответ. Это стоило 17 рублей. ",
    ),
    ("chinese", "代理阅读了工单,两次搜索知识库并撰写了回复。共用一千二百三十四个词元。"),
    (
        "with finds",
        "Mail jane@example.com or call +1 415 555 2671, card 4111 1111 1111 1111, from 10.1.2.3. ",
    ),
];

/// Texts made to be slow: each is nothing but what makes one detector look closer.
const ADVERSARIAL: [(&str, &str); 31] = [
    ("at signs", "@"),
    ("local parts", "aaaaaaaaaaaaaaa@"),
    ("quoted", "\"@"),
    ("domains", "a@a.a.a.a."),
    ("message ids", "<1.1@a.aa>\nmessage-id: "),
    ("percent", "a%40"),
    ("digits", "4"),
    ("groups", "1 "),
    ("pairs of digits", "01 "),
    ("card groups", "4111 1111 1111 1112 "),
    ("tables", "4111111111111111,\n"),
    ("dots", "1.1."),
    ("sections", "\"1.1.1.1. "),
    ("phones", "+1 1 1 1 "),
    ("called", "phone number is 1 "),
    ("colons", "1:"),
    ("hex runs", "::1"),
    ("jwt", "eyJ"),
    ("jwt dots", "eyJhbGciOiJI.eyJ."),
    ("pem", "-----BEGIN "),
    ("pem heads", "-----BEGIN A-----\n"),
    ("names", "password=token:"),
    ("quotes", "password=\""),
    ("escapes", "password=\\\\\\\""),
    ("braces", "password={"),
    ("elements", "<password>"),
    ("blanks", "password:                    "),
    ("tokens", "aB3dE5gH7jK9mN1pQ3sT5vW7 "),
    ("urls", "://a:"),
    ("hooks", "hooks.slack.com/services/"),
    ("iban", "DE89 3704 "),
];

fn fill(unit: &str, size: usize) -> String {
    let mut text = unit.repeat(size / unit.len() + 1);
    text.truncate((0..=size).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0));
    text
}

/// The processor time this thread has had.
fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The best of each, in turn.
fn best(text: &str) -> [Duration; 2] {
    let rounds = (6 << 20) / text.len().max(1 << 12);
    let mut best = [Duration::MAX; 2];
    for _ in 0..rounds.clamp(6, 300) {
        for (count, best) in [old::count as fn(&str) -> usize, content::redact::count].iter().zip(&mut best) {
            let start = now();
            black_box(count(black_box(text)));
            *best = (now() - start).min(*best);
        }
    }
    best
}

fn main() {
    let sizes = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    let micros = |d: Duration| d.as_secs_f64() * 1e6;
    println!("µs; old is before the rewrite");
    print!("{:28}{:>10}", "text", "old 64K");
    for size in sizes {
        print!("{:>9}", format!("{}K", size >> 10));
    }
    println!("{:>9}", "ns/byte");
    let (mut benign, mut adversarial) = (0.0_f64, 0.0_f64);
    for (kind, texts) in [("benign", &BENIGN[..]), ("adversarial", &ADVERSARIAL[..])] {
        for (name, unit) in texts {
            let all: Vec<[Duration; 2]> = sizes.iter().map(|size| best(&fill(unit, *size))).collect();
            print!("{:28}{:>10.0}", format!("{kind}: {name}"), micros(all[3][0]));
            for [_, new] in &all {
                print!("{:>9.0}", micros(*new));
            }
            println!("{:>9.1}", micros(all[3][1]) * 1e3 / 65536.0);
            let worst = if kind == "benign" { &mut benign } else { &mut adversarial };
            *worst = worst.max(micros(all[3][1]));
        }
    }
    println!("the slowest of 64 KiB: benign {benign:.0} µs, adversarial {adversarial:.0} µs");
    println!(
        "\none detector alone, ns per byte of 64 KiB: of prose, of code, of finds; `(none)` is what reading costs them all"
    );
    for name in ["(none)"].iter().chain(&config::DETECTORS) {
        print!("{name:28}");
        for at in [0, 1, 4] {
            let text = fill(BENIGN[at].1, 1 << 16);
            let mut best = Duration::MAX;
            for _ in 0..200 {
                let start = now();
                black_box(content::redact::count_one(black_box(&text), name));
                best = (now() - start).min(best);
            }
            print!("{:>9.2}", micros(best) * 1e3 / 65536.0);
        }
        println!();
    }
}
