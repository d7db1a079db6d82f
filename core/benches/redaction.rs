//! What redaction costs: all detectors together, over benign and adversarial text of 1 KiB to 1 MiB.
//!
//!     cargo bench -p sinkwell --bench redaction
//!
//! The best of many rounds in the thread's own processor time, so that other work on the machine does not
//! count. The bar, at 64 KiB: 1 ms for
//! benign text, 4 ms for adversarial, and linear in the length.

use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use sinkwell::config::RedactionConfig;
use sinkwell::content::Redactor;

const PROSE: &str = "The agent read the ticket, searched the knowledge base twice and wrote a reply. \
It cost 0.0042 USD for 1234 tokens in 17 steps; the build of 2026-11-21 took 12.5 s. ";
const CODE: &str = "let total: u64 = items.iter().map(|i| i.price * 100).sum(); // see src/cart.rs:42\n\
{\"id\":\"123e4567-e89b-12d3-a456-426614174000\",\"status\":200,\"path\":\"/api/v1/items?page=2\"}\n";
const CYRILLIC: &str =
    "Агент прочитал заявку, дважды поискал в базе знаний и написал ответ. Это стоило 17 рублей. ";
const CHINESE: &str = "代理阅读了工单,两次搜索知识库并撰写了回复。共用一千二百三十四个词元。";
const FOUND: &str =
    "Mail jane@example.com or call +1 415 555 2671, card 4111 1111 1111 1111, from 10.1.2.3. ";

/// Texts made to be slow: each is nothing but what makes one detector look closer.
const ADVERSARIAL: [(&str, &str); 19] = [
    ("at signs", "@"),
    ("local parts", "aaaaaaaaaaaaaaa@"),
    ("quoted", "\"@"),
    ("domains", "a@a.a.a.a."),
    ("percent", "a%40"),
    ("digits", "4"),
    ("groups", "1 "),
    ("card groups", "4111 1111 1111 1112 "),
    ("dots", "1.1."),
    ("phones", "+1 1 1 1 "),
    ("colons", "1:"),
    ("hex runs", "::1"),
    ("jwt", "eyJ"),
    ("jwt dots", "eyJhbGciOiJI.eyJ."),
    ("pem", "-----BEGIN "),
    ("names", "password=token:"),
    ("tokens", "aB3dE5gH7jK9mN1pQ3sT5vW7 "),
    ("urls", "://a:"),
    ("iban", "DE89 3704 "),
];

fn fill(unit: &str, size: usize) -> String {
    let mut text = unit.repeat(size / unit.len() + 1);
    let end = (0..=size).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    text.truncate(end);
    text
}

/// The processor time this thread has had.
fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn best(redactor: &Redactor, text: &str) -> Duration {
    let rounds = (8 << 20) / text.len().max(1 << 12);
    (0..rounds.clamp(16, 400))
        .map(|_| {
            let start = now();
            black_box(redactor.redact_text(black_box(text)).unwrap());
            now() - start
        })
        .min()
        .unwrap_or_default()
}

fn main() {
    let config = RedactionConfig { id: "bench".into(), ..RedactionConfig::default() };
    let redactor = Redactor::compile(&config, None).unwrap();
    let sizes = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
    print!("{:24}", "µs for");
    for size in sizes {
        print!("{:>10}", format!("{} KiB", size >> 10));
    }
    println!();
    let benign = [("prose", PROSE), ("code", CODE), ("cyrillic", CYRILLIC), ("chinese", CHINESE)];
    let found = [("with finds", FOUND)];
    for (kind, texts) in [("benign", &benign[..]), ("found", &found[..]), ("adversarial", &ADVERSARIAL[..])] {
        for (name, unit) in texts {
            print!("{:24}", format!("{kind}: {name}"));
            for size in sizes {
                print!("{:>10.1}", best(&redactor, &fill(unit, size)).as_secs_f64() * 1e6);
            }
            println!();
        }
    }
}
