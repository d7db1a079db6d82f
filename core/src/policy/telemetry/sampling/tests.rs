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

/// OpenTelemetry's specification, "TraceState: Probability Sampling": the rejection thresholds of 1 in N at a precision of
/// 3, 4 and 5 digits, by the table there.
const OF_ONE_IN: [(u64, [&str; 3]); 13] = [
    (1, ["0", "0", "0"]),
    (2, ["8", "8", "8"]),
    (3, ["aab", "aaab", "aaaab"]),
    (4, ["c", "c", "c"]),
    (5, ["ccd", "cccd", "ccccd"]),
    (8, ["e", "e", "e"]),
    (10, ["e66", "e666", "e6666"]),
    (16, ["f", "f", "f"]),
    (100, ["fd71", "fd70a", "fd70a4"]),
    (1_000, ["ffbe7", "ffbe77", "ffbe76d"]),
    (10_000, ["fff972", "fff9724", "fff97247"]),
    (100_000, ["ffff584", "ffff583a", "ffff583a5"]),
    (1_000_000, ["ffffef4", "ffffef39", "ffffef391"]),
];

/// The same table: the probability that a threshold stands for, and its adjusted count, at a precision of 4 digits.
const COUNTS: [(u64, f64, f64); 5] = [
    (3, 0.333_328_247_070_312_5, 3.000_045_777_065_69),
    (10, 0.100_006_103_515_625, 9.999_389_685_688_13),
    (100, 0.010_000_228_881_835_938, 99.997_711_234_026_33),
    (1_000, 0.000_999_987_125_396_728_5, 1_000.012_874_769_029),
    (100_000, 1.000_007_614_493_37e-6 * 10.0, 99_999.238_556_461),
];

#[test]
fn thresholds_are_those_of_the_specifications_table() {
    for (denominator, of_precision) in OF_ONE_IN {
        for (precision, th) in (3..).zip(of_precision) {
            let found = threshold_digits(threshold((1, denominator), precision));
            assert_eq!(found, th, "1 in {denominator}, at {precision} digits");
        }
    }
    let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
    for (denominator, share, count) in COUNTS {
        #[allow(clippy::cast_precision_loss)]
        let found = 1.0 - threshold((1, denominator), 4) as f64 / NONE as f64;
        assert!(close(found, share) && close(1.0 / found, count), "1 in {denominator}: {found}");
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

fn state(text: &str) -> TraceState {
    TraceState::of(text)
}

/// The specification's words on `th` and `rv` ("TraceState Handling") and on downstream samplers.
#[test]
fn what_came_with_the_trace_is_read_and_raised_as_the_specification_says() {
    let members = |text: &str| (state(text).threshold, state(text).randomness);
    assert_eq!(members("ot=th:c"), (Some(0xc0_0000_0000_0000), None));
    assert_eq!(members("ot=th:0"), (Some(0), None));
    assert_eq!(members("ot=rv:6e6d1a75832a2f"), (None, Some(0x6e_6d1a_7583_2a2f)));
    assert_eq!(members("a=b, ot=x:y;th:fd70a4;rv:00000000000000 ,c=d").0, Some(0xfd_70a4_0000_0000));
    // One to fourteen digits in lower case; exactly fourteen.
    assert_eq!(members("ot=th:C"), (None, None));
    assert_eq!(members("ot=th:"), (None, None));
    assert_eq!(members("ot=th:000000000000000;rv:6e6d1a75832a2"), (None, None));

    let (half, quarter) = (NONE / 2, NONE - NONE / 4);
    let high = Some(NONE - 1);
    let of = |mode, rate, text: &str| at(rate, mode).weigh(high, &state(text), None).threshold;
    // T_s > T_d: unchanged; T_d where R >= T_d.
    assert_eq!(of(Mode::Equalizing, (1, 2), "ot=th:c"), Some(quarter));
    assert_eq!(of(Mode::Equalizing, (1, 4), "ot=th:8"), Some(quarter));
    assert_eq!(of(Mode::Equalizing, (1, 1), "ot=th:8"), Some(half), "never lowered");
    // T_o = ProbabilityToThreshold(p * ThresholdToProbability(T_s))
    assert_eq!(of(Mode::Proportional, (1, 2), "ot=th:8"), Some(quarter));
    assert_eq!(of(Mode::Proportional, (1, 1), "ot=th:8"), Some(half));
    // What contradicts is forgotten: R < T_s, or a flag that says that the trace was not sampled.
    let low = at((1, 1), Mode::Equalizing).weigh(Some(0), &state("ot=th:8"), Some(true));
    assert_eq!((low.kept, low.threshold), (true, None));
    let unsampled = at((1, 1), Mode::Equalizing).weigh(high, &state("ot=th:8"), Some(false));
    assert_eq!((unsampled.kept, unsampled.threshold), (true, None));
}

/// "If a sampled incoming threshold is absent, ensure there is no outgoing threshold."
#[test]
fn what_follows_a_parent_has_its_threshold_or_none() {
    let mut sampling = Sampling { parent: Some((1, 1)), ..Sampling::default() };
    sampling.prepare();
    let high = Some(NONE - 1);
    let after = |text: &str, sampled| sampling.weigh(high, &state(text), sampled);
    assert_eq!(after("", Some(true)), Decision { kept: true, randomness: high, threshold: None });
    assert_eq!(after("ot=th:8", Some(true)).threshold, Some(NONE / 2));
    assert!(!after("ot=th:8", Some(false)).kept);
    // Without a parent the policy is the first that samples.
    assert_eq!(after("", None).threshold, Some(0));
    let mut by_run = Sampling { parent: Some((1, 1)), key: Key::Run, ..Sampling::default() };
    by_run.prepare();
    assert_eq!(by_run.weigh(high, &state("ot=th:8"), Some(true)).threshold, None);
}

#[test]
fn what_a_rule_exempts_stands_for_as_many_as_before() {
    let mut event = crate::policy::telemetry::cel::tests::event("com.x", "{}");
    let sampling = at((1, 100), Mode::Equalizing);
    assert_eq!(sampling.exempt(&event).threshold, Some(0));
    let parent = "00-0af7651916cd43dd84ffffffffffffff-b7ad6b7169203331-01";
    for (parent, state, threshold) in [
        (parent, "ot=th:8", Some(NONE / 2)),
        (parent, "ot=th:8;rv:00000000000001", None),
        ("00-0af7651916cd43dd8400000000000001-b7ad6b7169203331-01", "ot=th:8", None),
    ] {
        event = crate::policy::telemetry::cel::tests::traced(parent, state);
        assert_eq!(sampling.exempt(&event), Decision { kept: true, randomness: None, threshold }, "{state}");
    }
}
