use std::sync::Mutex;

use sinkwell::{Error, ErrorKind};

use crate::bytes::{SinkwellBytes, SinkwellOwned, sinkwell_owned_free};
use crate::completion::Completion;
use crate::error::{SinkwellError, guard, sinkwell_error_free};

fn no_error() -> SinkwellError {
    SinkwellError {
        code: 0,
        reserved: 0,
        kind: SinkwellBytes::ABSENT,
        message: SinkwellOwned::EMPTY,
        place: SinkwellOwned::EMPTY,
    }
}

#[test]
fn a_panic_is_internal_and_an_error_is_handed_over_whole() {
    let mut error = no_error();
    // SAFETY: the error is ours to write, and freed as it must be.
    unsafe {
        assert_eq!(guard(&raw mut error, || panic!("a secret")), 255);
        assert_eq!(error.code, 255);
        assert!(error.message.text().contains("please report"));
        assert!(!error.message.text().contains("secret"));
        sinkwell_error_free(&raw mut error);
        assert_eq!(guard(&raw mut error, || Err(Error::invalid_event("no").at("data.x"))), 2);
        assert_eq!((error.message.text(), error.place.text()), ("no", "data.x"));
        sinkwell_error_free(&raw mut error);
        sinkwell_error_free(&raw mut error);
        assert_eq!(guard(std::ptr::null_mut(), || Err(Error::key("no"))), 10);
        assert_eq!(guard(&raw mut error, || Ok(())), 0);
        assert_eq!(error.code, 0);
    }
}

impl SinkwellOwned {
    /// What it holds, for looking at.
    fn text(&self) -> &str {
        let len = usize::try_from(self.len).unwrap();
        // SAFETY: filled in by this crate, with text.
        unsafe { std::str::from_utf8(std::slice::from_raw_parts(self.data, len)).unwrap() }
    }
}

#[test]
fn owned_bytes_are_freed_once() {
    let mut owned = SinkwellOwned::from_vec(vec![1, 2, 3]);
    // SAFETY: made above.
    unsafe {
        sinkwell_owned_free(&raw mut owned);
        assert!(owned.data.is_null() && owned.len == 0);
        sinkwell_owned_free(&raw mut owned);
        sinkwell_owned_free(&raw mut *Box::leak(Box::new(SinkwellOwned::from_static("never"))));
    }
}

static TOLD: Mutex<Vec<(u64, i32, String)>> = Mutex::new(Vec::new());

unsafe extern "C" fn note(token: u64, status: i32, bytes: SinkwellBytes) {
    // SAFETY: borrowed for this call.
    let text = unsafe { bytes.text("bytes") }.unwrap().unwrap_or_default().to_owned();
    TOLD.lock().unwrap().push((token, status, text));
}

fn told(token: u64) -> Vec<(i32, String)> {
    let all = TOLD.lock().unwrap();
    all.iter().filter(|(of, ..)| *of == token).map(|(_, status, text)| (*status, text.clone())).collect()
}

#[test]
fn a_completion_comes_exactly_once() {
    // Told twice, then dropped: once.
    let completion = Completion::new(1, Some(note)).unwrap();
    completion.tell(Ok(b"{}".to_vec()));
    completion.tell(Ok(b"again".to_vec()));
    drop(completion);
    assert_eq!(told(1), [(0, "{}".to_owned())]);

    // Never told: closed.
    drop(Completion::new(2, Some(note)).unwrap());
    assert_eq!(told(2)[0].0, 7);

    // A panic on the way: internal.
    Completion::new(3, Some(note)).unwrap().tell_from(|| panic!("a secret"));
    assert_eq!(told(3)[0].0, 255);
    assert!(told(3).len() == 1 && !told(3)[0].1.contains("secret"));

    // An operation that did not start: the status says so, and nobody is called.
    let refused = Completion::new(4, Some(note)).unwrap().start(|_| Err(Error::unsupported("no")));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(told(4).is_empty());

    // One that was told before it failed: the call has come, so the status is 0.
    let late = Completion::new(5, Some(note)).unwrap().start(|completion| {
        completion.tell(Ok(Vec::new()));
        Err(Error::internal("no"))
    });
    assert!(late.is_ok() && told(5) == [(0, String::new())]);

    let error = Error::invalid_event("no").at("data.x");
    Completion::new(6, Some(note)).unwrap().tell(Err(error));
    assert_eq!(
        told(6),
        [(2, r#"{"code":2,"kind":"invalid_event","message":"no","where":"data.x"}"#.to_owned())]
    );
    assert!(Completion::new(7, None).is_err());
}
