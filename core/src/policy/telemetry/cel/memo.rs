//! What regular expressions said of texts, remembered: names of tools, models, paths and clients come again and again.
//!
//! Guarantees: an answer is taken only for the same expression of this process and the same text, byte for byte, so that it is
//! always what the expression would say. What a thread remembers is bounded; texts that never come again, or that are made to
//! get in each other's way, make it of no use and change no answer.

use super::Pattern;
use crate::json::words::same;

/// Answers that a thread remembers; a power of two.
const MOST: usize = 32;
/// The longest text of which one is remembered.
const LONGEST: usize = 192;
/// Other texts that come before an answer that was of use is given up.
const PATIENCE: u8 = 8;

/// See the module's head.
#[derive(Default)]
pub(in crate::policy::telemetry) struct Memo {
    /// None before the first text.
    answers: Vec<Answer>,
}

#[derive(Clone)]
struct Answer {
    /// Of which expression; zero of none.
    pattern: u64,
    length: usize,
    holds: bool,
    /// Others that may still come.
    patience: u8,
    text: [u8; LONGEST],
}

impl Memo {
    /// Whether a text matches.
    #[inline]
    pub(super) fn is_match(&mut self, pattern: &Pattern, text: &[u8]) -> bool {
        let at = place(pattern.id, text);
        if let Some(answer) = self.answers.get_mut(at)
            && answer.pattern == pattern.id
            && answer.text.get(..answer.length).is_some_and(|known| same(known, text))
        {
            answer.patience = PATIENCE;
            return answer.holds;
        }
        self.ask(at, pattern, text)
    }

    #[inline(never)]
    fn ask(&mut self, at: usize, pattern: &Pattern, text: &[u8]) -> bool {
        let holds = pattern.regex.is_match(text);
        if text.len() > LONGEST {
            return holds;
        }
        if self.answers.is_empty() {
            let none = Answer { pattern: 0, length: 0, holds: false, patience: 0, text: [0; LONGEST] };
            self.answers = vec![none; MOST];
        }
        let answer = &mut self.answers[at];
        if let Some(patience) = answer.patience.checked_sub(1) {
            answer.patience = patience;
        } else {
            (answer.pattern, answer.length, answer.holds) = (pattern.id, text.len(), holds);
            answer.text[..text.len()].copy_from_slice(text);
        }
        holds
    }
}

/// Where an answer is remembered: by the text's beginning, middle and end.
#[inline]
fn place(pattern: u64, text: &[u8]) -> usize {
    let word = |at: usize| {
        text.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |eight| u64::from_le_bytes(*eight))
    };
    let words = match text.len().checked_sub(8) {
        Some(last) => word(0) ^ word(last / 2).rotate_left(21) ^ word(last).rotate_left(42),
        None => text.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    let digest = (words ^ text.len() as u64).wrapping_add(pattern).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (digest >> (64 - MOST.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(id: u64, text: &str) -> Pattern {
        Pattern { regex: regex::bytes::Regex::new(text).unwrap(), begins: Box::default(), id }
    }

    proptest! {
        /// Whatever was asked before: texts of which some come again, some differ in what no place depends on, and some are
        /// too long.
        #[test]
        fn what_is_remembered_is_what_the_expression_says(
            asked in proptest::collection::vec((0_usize..3, "[ab]{0,3}[a-c]{0,30}", 0_usize..4, any::<bool>()), 1..400),
        ) {
            let patterns = [pattern(1, "^a"), pattern(2, "c.*ab"), pattern(3, "b$")];
            let mut memo = Memo::default();
            for (which, text, times, again) in &asked {
                let text = text.repeat(if *again { 1 } else { 1 << times });
                let expected = patterns[*which].regex.is_match(text.as_bytes());
                for _ in 0..=*times {
                    prop_assert_eq!(memo.is_match(&patterns[*which], text.as_bytes()), expected);
                }
            }
            prop_assert!(memo.answers.len() <= MOST);
        }
    }

    #[test]
    fn texts_in_one_place_are_told_apart_and_one_that_comes_again_stays() {
        let pattern = pattern(7, "x");
        let texts: Vec<Vec<u8>> = (0..40_u8)
            .map(|n| {
                // The same beginning, middle and end.
                let mut text = b"beginning--------middle-----------ending--".to_vec();
                text[10] = if n % 2 == 0 { b'x' } else { b'y' };
                text[11] = n;
                text
            })
            .collect();
        assert!(texts.iter().all(|text| place(7, text) == place(7, &texts[0])), "in each other's way");
        let mut memo = Memo::default();
        memo.is_match(&pattern, &texts[0]);
        memo.is_match(&pattern, &texts[0]);
        for text in &texts {
            assert_eq!(memo.is_match(&pattern, text), text[10] == b'x');
            assert!(memo.is_match(&pattern, &texts[0]));
        }
        assert_eq!(memo.answers[place(7, &texts[0])].text[..texts[0].len()], texts[0]);
        // Until it does not any more.
        (0..=PATIENCE + 1).for_each(|_| assert!(!memo.is_match(&pattern, &texts[1])));
        assert_eq!(memo.answers[place(7, &texts[0])].text[..texts[1].len()], texts[1]);
    }
}
