//! Randomness and the ids made of it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest, Sha256};

use super::UnixNanos;
use super::fork::PerProcess;

/// A source of random bytes.
pub trait Random: Send + Sync {
    /// Sixteen bytes for the `n`-th thing that `scope` names. A system source ignores both; a seeded one computes its
    /// answer from them alone, so that what a lane draws does not depend on how threads interleave.
    fn bytes16(&self, scope: &str, n: u64) -> [u8; 16];
}

/// Fills `bytes` with the operating system's randomness: for keys.
///
/// # Errors
/// The operating system has none.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

/// The operating system's random source, drawn in blocks: a block is ChaCha20's, with a key that the system gives for it
/// alone. To ask the system for a whole block takes it several times as long, and an id of every event comes from one.
#[derive(Debug, Default)]
pub struct SystemRandom;

const BLOCK: usize = 4096;

thread_local! {
    /// A block, how many of its bytes are taken, and of which process it is: one that forked has none yet.
    static POOL: std::cell::RefCell<(u32, u32, Box<[u8; BLOCK]>)> =
        std::cell::RefCell::new((0, BLOCK as u32, Box::new([0; BLOCK])));
}

impl Random for SystemRandom {
    fn bytes16(&self, _scope: &str, _n: u64) -> [u8; 16] {
        POOL.with(|pool| {
            let (generation, taken, block) = &mut *pool.borrow_mut();
            let now = crate::seam::fork::generation();
            if *generation != now || *taken as usize + 16 > BLOCK {
                draw(&mut **block);
                (*generation, *taken) = (now, 0);
            }
            // What is taken is no longer there.
            let from = *taken as usize;
            *taken += 16;
            block[from..].first_chunk_mut().map(std::mem::take).unwrap_or_default()
        })
    }
}

/// Fills a block.
#[inline(never)]
fn draw(block: &mut [u8]) {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    if let Err(e) = getrandom::fill(&mut *key) {
        // Without randomness there are no unique ids and no salts, so nothing that could be trusted can be sealed.
        panic!("the operating system gives no random bytes: {e}");
    }
    ChaCha20Rng::from_seed(*key).fill_bytes(block);
}

/// Ids of one process that follow each other: a number that nobody can guess, drawn afresh after a fork, and how many
/// came before.
pub(crate) struct Series {
    first: u128,
    next: AtomicU64,
}

/// How many bits of a UUIDv7 are no time.
const FREE: u32 = 74;

impl Series {
    /// What takes the place of random bytes in this process's next id.
    pub(crate) fn bytes16() -> [u8; 16] {
        static SERIES: PerProcess<Series> = PerProcess::new();
        let series = SERIES.get();
        Self::nth(series.first, series.next.fetch_add(1, Ordering::Relaxed))
    }

    /// What takes the place of random bytes in the `n`-th id after the one that begins so.
    pub(crate) fn nth(first: u128, n: u64) -> [u8; 16] {
        // As many as fit pass before one comes again, so that two of one millisecond are never alike.
        let number = first.wrapping_add(n.into()) & ((1 << FREE) - 1);
        // Below the variant there is room for 62.
        ((number >> 62) << 64 | number & ((1 << 62) - 1)).to_be_bytes()
    }
}

impl Default for Series {
    fn default() -> Self {
        Self { first: u128::from_be_bytes(SystemRandom.bytes16("ids", 0)), next: AtomicU64::new(0) }
    }
}

/// Reproducible bytes from a seed, for `testing: { seed }`.
#[derive(Debug)]
pub struct SeededRandom {
    seed: u64,
}

impl SeededRandom {
    /// A source that always answers alike for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Random for SeededRandom {
    fn bytes16(&self, scope: &str, n: u64) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(b"sinkwell-testing-random-v1\n");
        hash.update(self.seed.to_be_bytes());
        hash.update(n.to_be_bytes());
        hash.update(scope.as_bytes());
        let digest = hash.finalize();
        let mut out = [0; 16];
        out.copy_from_slice(&digest[..16]);
        out
    }
}

/// A UUID, written in lower-case hyphenated form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// As [`Display`](fmt::Display): sixteen numbers are found in no file.
impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Uuid {
    /// A version 7 UUID (RFC 9562) for `time`, from 16 random bytes of which 74 bits are used.
    #[inline]
    #[must_use]
    pub fn v7(time: UnixNanos, random: [u8; 16]) -> Self {
        let millis = u128::from(u64::try_from(time / 1_000_000).unwrap_or(0));
        let random = u128::from_be_bytes(random);
        // By words and not by bytes, which a processor would have to wait for when it reads them as words again.
        const VERSION: u128 = 7 << 76;
        const VARIANT: u128 = 2 << 62;
        let free = random & (0xFFF << 64 | ((1 << 62) - 1));
        Self((millis << 80 | VERSION | VARIANT | free).to_be_bytes())
    }

    /// Reads what [`encode`](Self::encode) writes, and nothing else: small letters.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        const PARTS: [(usize, usize); 5] = [(0, 8), (9, 4), (14, 4), (19, 4), (24, 12)];
        let text: &[u8; 36] = text.try_into().ok()?;
        if [8, 13, 18, 23].iter().any(|&at| text[at] != b'-') {
            return None;
        }
        let (mut digits, mut to) = ([0; 32], 0);
        for (from, count) in PARTS {
            digits[to..to + count].copy_from_slice(&text[from..from + count]);
            to += count;
        }
        crate::hex::read(&digits).map(Self)
    }

    /// Reads the hyphenated form, in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if let Some(uuid) = Self::read(text) {
            return Some(uuid);
        }
        if text.len() != 36 {
            return None;
        }
        let mut bytes = [0_u8; 16];
        let mut digits = 0;
        for (i, &c) in text.iter().enumerate() {
            if matches!(i, 8 | 13 | 18 | 23) {
                if c != b'-' {
                    return None;
                }
                continue;
            }
            let digit = u8::try_from(char::from(c).to_digit(16)?).ok()?;
            bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
            digits += 1;
        }
        Some(Self(bytes))
    }

    /// The 36 characters of the hyphenated form.
    #[must_use]
    pub fn encode(&self) -> [u8; 36] {
        const AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
        let mut out = [b'-'; 36];
        for (at, byte) in AT.into_iter().zip(self.0) {
            [out[at], out[at + 1]] = crate::hex::pair(byte);
        }
        out
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.encode()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_count_are_all_different_and_stay_version_7() {
        let ids: std::collections::HashSet<Uuid> =
            // From a number at which every part of it carries over.
            (0..5_000).map(|n| Uuid::v7(1_764_000_000_000_000_000, Series::nth((1 << 74) - 2_500, n))).collect();
        assert_eq!(ids.len(), 5_000);
        assert!(ids.iter().all(|id| id.0[6] >> 4 == 7 && id.0[8] >> 6 == 2));
        let of = |n| Uuid::v7(0, Series::nth((1 << 62) - 1, n)).to_string();
        assert_eq!(
            [of(0), of(1)],
            ["00000000-0000-7000-bfff-ffffffffffff", "00000000-0000-7001-8000-000000000000"]
        );
    }

    #[test]
    fn no_two_draws_are_alike_whatever_block_they_are_of() {
        let draw = || (0..3 * BLOCK / 16).map(|_| SystemRandom.bytes16("", 0)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(draw)).collect();
        let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let drawn = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), drawn);
        // Half of their bits are ones, within six standard deviations.
        let ones: u32 = all.iter().flatten().map(|byte| byte.count_ones()).sum();
        let bits = f64::from(u32::try_from(drawn * 128).unwrap());
        assert!((f64::from(ones) - bits / 2.0).abs() < 6.0 * (bits / 4.0).sqrt(), "{ones} of {bits}");
    }

    #[test]
    fn threads_of_a_process_share_one_series() {
        let draw = || (0..1_000).map(|_| Series::bytes16()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4_000);
    }
}
