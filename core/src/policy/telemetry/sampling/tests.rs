//! Sampling against the specification, and against chance.

use super::*;

/// A million numbers of 56 bits, as even as chance makes them: splitmix64.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    (0..1_000_000).map(move |_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) >> 8
    })
}

fn at(rate: Rate, mode: Mode) -> Sampling {
    let mut sampling = Sampling { rate, mode, ..Sampling::default() };
    sampling.prepare();
    sampling
}

/// What an event stands for: one divided by the share that is kept.
#[allow(clippy::cast_precision_loss)]
fn adjusted(decision: &Decision) -> f64 {
    let share = 1.0 - decision.threshold.unwrap() as f64 / NONE as f64;
    1.0 / share
}

#[test]
fn thresholds_are_those_of_the_specifications_table() {
    // OpenTelemetry, "TraceState: Probability Sampling": rejection thresholds of common rates, at four digits of
    // precision beyond those that are all f.
    for (rate, th) in [
        ((1, 1), "0"),
        ((1, 2), "8"),
        ((1, 4), "c"),
        ((3, 4), "4"),
        ((1, 8), "e"),
        ((1, 16), "f"),
        ((1, 3), "aaab"),
        ((2, 3), "5555"),
        ((1, 10), "e666"),
        ((1, 100), "fd70a"),
        ((1, 1_000), "ffbe77"),
        ((1, 10_000), "fff9724"),
    ] {
        assert_eq!(threshold_digits(threshold(rate, 4)), th, "{rate:?}");
    }
    // At all fourteen digits a threshold is the share itself, to half of the last.
    for (numerator, denominator) in [(1, 3), (1, 7), (5, 100), (999, 1000), (1, 1 << 32)] {
        let exact = u128::from(NONE) * u128::from(denominator - numerator) / u128::from(denominator);
        let found = u128::from(threshold((numerator, denominator), 14));
        assert!(found.abs_diff(exact) <= 1, "{numerator}/{denominator}: {found:x} for {exact:x}");
    }
    assert_eq!(threshold((0, 100), 4), NONE, "nothing is kept");
}

#[test]
fn counts_of_what_is_kept_are_those_of_what_there_was() {
    #[allow(clippy::cast_precision_loss)]
    for (seed, rate) in [(1, (1, 2)), (2, (1, 3)), (3, (5, 100)), (4, (1, 1000))] {
        let sampling = at(rate, Mode::Equalizing);
        let (mut sum, mut kept) = (0.0, 0_u32);
        for randomness in numbers(seed) {
            let decision = sampling.weigh(Some(randomness), &TraceState::default(), None);
            if decision.kept {
                sum += adjusted(&decision);
                kept += 1;
            }
        }
        // Kept with probability p each: the sum's deviation is that of a binomial, divided by p.
        let p = 1.0 - threshold(rate, 4) as f64 / NONE as f64;
        let sigma = (1e6 * (1.0 - p) / p).sqrt();
        assert!((sum - 1e6).abs() < 4.0 * sigma, "{rate:?}: {sum} of a million, {kept} kept, σ {sigma}");
    }
    // Once more of what another stage left, whichever way the two are put together.
    for mode in [Mode::Equalizing, Mode::Proportional] {
        let (first, second) = (at((1, 2), Mode::Equalizing), at((1, 5), mode));
        let mut sum = 0.0;
        for randomness in numbers(9) {
            let decision = first.weigh(Some(randomness), &TraceState::default(), None);
            if !decision.kept {
                continue;
            }
            let state = TraceState { threshold: decision.threshold, randomness: Some(randomness) };
            let decision = second.weigh(Some(randomness), &state, None);
            if decision.kept {
                sum += adjusted(&decision);
            }
        }
        let p: f64 = if mode == Mode::Equalizing { 0.2 } else { 0.1 };
        let sigma = (1e6 * (1.0 - p) / p).sqrt();
        assert!((sum - 1e6).abs() < 4.0 * sigma, "{mode:?}: {sum}");
    }
}

#[test]
fn a_lower_rate_keeps_some_of_what_a_higher_one_keeps() {
    let rates = [(1, 1000), (1, 100), (5, 100), (1, 3), (1, 2), (2, 3), (99, 100), (1, 1)];
    let all = rates.map(|rate| at(rate, Mode::Equalizing));
    for randomness in numbers(5).take(50_000).chain([0, 1, NONE - 1]) {
        let kept = all.each_ref().map(|one| one.weigh(Some(randomness), &TraceState::default(), None).kept);
        assert!(kept.is_sorted(), "{randomness:x}: {kept:?}");
    }
}

#[test]
fn a_key_is_as_good_as_chance_and_the_same_for_ever() {
    // By an independent implementation: sha256("sinkwell-sample-v1\n" + key), the low 56 bits.
    for (key, randomness) in [(&b"run-1"[..], 0x1e_85c1_b861_b8e6), (b"", 0xa9_b5ec_61eb_5fe8)] {
        assert_eq!(randomness_of(key), randomness);
    }
    let sampling = at((1, 4), Mode::Equalizing);
    let kept = (0..100_000_u32)
        .filter(|n| {
            let randomness = randomness_of(format!("run-{n}").as_bytes());
            sampling.weigh(Some(randomness), &TraceState::default(), None).kept
        })
        .count();
    // 4 σ of a binomial: √(100 000 · ¼ · ¾) is 137.
    assert!(kept.abs_diff(25_000) < 548, "{kept}");
}
