//! Whole lines, and what is cut. (A real closed pipe: core/tests/lanes/output.rs.)

use super::*;

std::thread_local! {
    static TAKEN: std::cell::RefCell<Vec<Vec<u8>>> = const { std::cell::RefCell::new(Vec::new()) };
    static ROOM: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn take(bytes: &[u8]) -> io::Result<usize> {
    let taken = bytes.len().min(ROOM.get());
    if taken == 0 {
        return Err(io::ErrorKind::StorageFull.into());
    }
    ROOM.set(ROOM.get() - taken);
    TAKEN.with_borrow_mut(|all| all.push(bytes[..taken].to_vec()));
    Ok(taken)
}

#[test]
fn a_pipe_gets_whole_lines_and_as_much_as_it_keeps_together() {
    ROOM.set(usize::MAX);
    let mut lines = Vec::new();
    for length in [10, 1000, 3000, PIPE_BUF - 1, PIPE_BUF, 3 * PIPE_BUF, 1, 1] {
        lines.extend(std::iter::repeat_n(b'x', length));
        lines.push(b'\n');
    }
    let mut out = Output { write: take, is_pipe: || true, ..Output::stdout() };
    out.lines(&lines).unwrap();
    let writes = TAKEN.take();
    assert_eq!(writes.concat(), lines);
    for write in &writes {
        assert_eq!(write.last(), Some(&b'\n'));
        let several = write.iter().filter(|byte| **byte == b'\n').count() > 1;
        assert!(!several || write.len() <= PIPE_BUF, "{} bytes", write.len());
    }
    Output { is_pipe: || false, ..out }.lines(&lines).unwrap();
    assert_eq!(TAKEN.take().len(), 1);
}

#[test]
fn a_line_that_was_cut_is_ended_before_the_next() {
    let mut out = Output { write: take, is_pipe: || false, ..Output::stdout() };
    ROOM.set(7);
    let cut = out.lines(b"first\nsecond\n").unwrap_err();
    assert_eq!((cut.done, cut.error.kind()), (7, io::ErrorKind::StorageFull));
    ROOM.set(usize::MAX);
    out.lines(b"second\n").unwrap();
    assert_eq!(TAKEN.take().concat(), b"first\ns\nsecond\n");
}

#[test]
fn a_stream_that_takes_nothing_says_why() {
    let mut closed = Output { write: |_| Err(io::ErrorKind::BrokenPipe.into()), ..Output::stdout() };
    for _ in 0..2 {
        assert_eq!(closed.lines(b"x\n").unwrap_err().error.kind(), io::ErrorKind::BrokenPipe);
    }
}
