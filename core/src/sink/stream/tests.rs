//! A stream that takes nothing is a failure that is told, not a panic. (A real closed pipe: core/tests/streams.rs.)

use super::*;

#[test]
fn what_a_stream_refuses_is_tried_again_and_says_why() {
    for (kind, expected) in [
        (io::ErrorKind::BrokenPipe, FailureKind::Network),
        (io::ErrorKind::StorageFull, FailureKind::Storage),
    ] {
        let e = io::Error::from(kind);
        let failure = io_failure(&e);
        assert_eq!(failure.kind, expected);
        assert!(failure.summary.starts_with("cannot write: "), "{failure:?}");
    }
    let mut closed =
        Lines { kind: "stdout", write: |_| Err(io::ErrorKind::BrokenPipe.into()), buf: Vec::new() };
    for _ in 0..2 {
        assert!(matches!(closed.deliver(&[]), Answers::Retry(_, None)));
    }
}

#[test]
fn of_a_batch_that_arrived_in_part_only_the_rest_is_tried_again() {
    let failure = io_failure(&io::ErrorKind::StorageFull.into());
    assert_eq!(first_arrived(0, 2, &failure), Answers::Retry(failure.clone(), None));
    assert_eq!(
        first_arrived(1, 2, &failure),
        Answers::Each(vec![Answer::Acknowledged, Answer::Retry(failure, None)])
    );
}
