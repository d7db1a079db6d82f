//! Sums of decimal numbers, exact.
//!
//! Guarantees: a sum is that of the numbers as they are written, in whatever order they come: no digit is rounded, no size
//! overflows. Memory is bounded: a number has at most [`MOST`] characters and an exponent of at most [`MOST`].
//!
//! How: digits in blocks of nine, each block a wide integer that is carried only when the sum is written.

use std::collections::BTreeMap;

/// The longest number that is read, and the largest exponent. A double, written out, has 309 digits before the point or 324
/// behind it.
const MOST: usize = 400;

/// Digits of a block.
const DIGITS: usize = 9;
const BASE: i128 = 1_000_000_000;

/// A sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// By place, 0 being the units: what 10^(9·place) is to be taken by. Each is far from the bounds of its type: it would
    /// take 2^97 numbers to reach them.
    blocks: BTreeMap<i32, i128>,
}

impl Sum {
    /// Adds a number as JSON writes numbers. Answers whether the text is one; else nothing is added.
    pub(super) fn add(&mut self, text: &str) -> bool {
        let Some(number) = read(text) else { return false };
        let sign = if number.negative { -1 } else { 1 };
        let digits = number.whole.bytes().chain(number.fraction.bytes()).rev();
        let lowest = number.exponent - number.fraction.len() as i32;
        for (at, digit) in (lowest..).zip(digits).filter(|(_, digit)| *digit != b'0') {
            let (block, within) = (at.div_euclid(DIGITS as i32), at.rem_euclid(DIGITS as i32));
            let value = i128::from(digit - b'0') * 10_i128.pow(within.unsigned_abs());
            *self.blocks.entry(block).or_default() += sign * value;
        }
        true
    }

    /// The sum in plain digits: `-12.5`.
    pub(super) fn text(&self) -> String {
        let (Some((&lowest, _)), Some((&highest, _))) =
            (self.blocks.first_key_value(), self.blocks.last_key_value())
        else {
            return "0".to_owned();
        };
        // From the units on, at least, lowest first.
        let lowest = lowest.min(0);
        let mut blocks = Vec::new();
        let mut carry = 0;
        for place in lowest..=highest.max(0) {
            let value = self.blocks.get(&place).copied().unwrap_or(0) + carry;
            blocks.push(value.rem_euclid(BASE));
            carry = value.div_euclid(BASE);
        }
        while carry != 0 && carry != -1 {
            blocks.push(carry.rem_euclid(BASE));
            carry = carry.div_euclid(BASE);
        }
        let negative = carry == -1;
        if negative {
            // What is there is the sum and one more of the next place: the rest to that is the amount.
            let mut borrow = 0;
            for block in &mut blocks {
                let value = -*block - borrow;
                borrow = i128::from(value < 0);
                *block = value.rem_euclid(BASE);
            }
            blocks.push(1 - borrow);
        }
        let behind = lowest.unsigned_abs() as usize;
        let joined: String = blocks.iter().rev().map(|block| format!("{block:09}")).collect();
        let (whole, fraction) = joined.split_at(joined.len() - behind * DIGITS);
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        format!(
            "{}{}{}{fraction}",
            if negative { "-" } else { "" },
            if whole.is_empty() { "0" } else { whole },
            if fraction.is_empty() { "" } else { "." }
        )
    }
}

struct Number<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

/// A number in JSON's grammar, within the bounds.
fn read(text: &str) -> Option<Number<'_>> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > MOST {
        return None;
    }
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        None => (rest, 0),
        Some((mantissa, exponent)) => {
            let bare = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let size = digits(bare).then(|| bare.parse::<i32>().ok())??;
            if size.unsigned_abs() as usize > MOST {
                return None;
            }
            (mantissa, if exponent.starts_with('-') { -size } else { size })
        }
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        None => (mantissa, ""),
        Some((whole, fraction)) => (whole, digits(fraction).then_some(fraction)?),
    };
    let plain = digits(whole) && (whole == "0" || !whole.starts_with('0'));
    plain.then_some(Number { negative, whole, fraction, exponent })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(numbers: &[&str]) -> String {
        let mut sum = Sum::default();
        for number in numbers {
            assert!(sum.add(number), "{number}");
        }
        sum.text()
    }

    #[test]
    fn no_digit_is_rounded() {
        assert_eq!(sum(&[]), "0");
        assert_eq!(sum(&["0.1", "0.2"]), "0.3");
        assert_eq!(sum(&["0.1", "-0.2"]), "-0.1");
        assert_eq!(sum(&["1e+21", "1", "-1e21"]), "1");
        assert_eq!(sum(&["9007199254740993", "1e-3"]), "9007199254740993.001");
        assert_eq!(sum(&["-0", "0.0", "-0e5"]), "0");
        assert_eq!(sum(&["999999999", "1"]), "1000000000");
        assert_eq!(sum(&["-999999999", "-1"]), "-1000000000");
        assert_eq!(sum(&["1000000000", "-1"]), "999999999");
        assert_eq!(sum(&["1", "-1000000000000000000000"]), "-999999999999999999999");
        assert_eq!(sum(&["5e-324", "-5e-324"]), "0");
        let tiny = sum(&["5e-324"]);
        assert_eq!((tiny.len(), tiny.ends_with("05")), (326, true));
        let wei = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(sum(&[wei, "1"]), format!("{}936", &wei[..wei.len() - 3]));
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let long = "1".repeat(MOST + 1);
        let texts = [
            "",
            "-",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e401",
            "1e-401",
            "1e+-1",
            "0x10",
            "1_000",
            "1,5",
            " 1",
            "1 ",
            "NaN",
            "Infinity",
            "--1",
            "1.2.3",
            "١",
            "1e99999999999",
            &long,
        ];
        let mut sum = Sum::default();
        for text in texts {
            assert!(!sum.add(text), "{text}");
        }
        assert_eq!(sum, Sum::default());
        assert!(sum.add(&long[1..]) && sum.add("1e400") && sum.add("-1e-400"));
    }

    proptest! {
        #[test]
        fn it_is_the_sum_of_whole_numbers_of_the_smallest_part(
            parts in proptest::collection::vec((-(1_i128 << 90)..(1 << 90), 0_u32..25), 0..40),
        ) {
            // Each number is n·10^-scale; of 10^-24 they are all whole, and Rust's integers hold their sum.
            let mut sum = Sum::default();
            let mut expected = 0_i128;
            for (n, scale) in parts {
                let n = n % 10_i128.pow(scale.min(11) + 2);
                let text = match scale {
                    0 => format!("{n}"),
                    _ => format!("{n}e-{scale}"),
                };
                prop_assert!(sum.add(&text));
                expected += n * 10_i128.pow(24 - scale);
            }
            let unit = 10_i128.pow(24);
            let (whole, part) = (expected.abs() / unit, expected.abs() % unit);
            let text = format!("{}{whole}.{part:024}", if expected < 0 { "-" } else { "" });
            prop_assert_eq!(sum.text(), text.trim_end_matches('0').trim_end_matches('.'));
        }
    }
}
