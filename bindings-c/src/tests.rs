use std::sync::Mutex;

use sinkwell::{Error, ErrorKind};

use crate::bytes::{SinkwellBytes, SinkwellOwned, sinkwell_owned_free};
use crate::completion::Completion;
use crate::error::{SinkwellError, guard, sinkwell_error_free};
use crate::slice::Slice;

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

#[test]
fn an_array_is_believed_only_when_it_can_be_one() {
    let get = |first: *const u64, len| {
        // SAFETY: what is not NULL and aligned points to two values.
        unsafe { Slice::new(first, len).get(|| "sinks".to_owned()) }
    };
    let refused = |first: *const u64, len| {
        let e = get(first, len).unwrap_err();
        assert_eq!((e.kind(), e.place()), (ErrorKind::InvalidArgument, Some("sinks")));
        e.message().to_owned()
    };
    let values = [7_u64, 8];
    let odd = values.as_ptr().wrapping_byte_add(1);
    assert_eq!(get(values.as_ptr(), 2).unwrap(), values);
    // With a length of 0 any pointer is accepted.
    for first in [std::ptr::null(), odd] {
        assert!(get(first, 0).unwrap().is_empty());
    }
    assert!(refused(std::ptr::null(), 3).contains("is NULL, with a length of 3"));
    assert!(refused(odd, 1).contains("not aligned to 8 bytes"));
    for len in [u64::MAX, u64::MAX / 8, i64::MAX as u64 / 8 + 1] {
        assert!(refused(values.as_ptr(), len).contains("larger than any memory"), "{len}");
    }
}

#[test]
fn bytes_are_absent_only_without_a_length() {
    // SAFETY: no pointer here is followed but that of text.
    unsafe {
        assert_eq!(SinkwellBytes::ABSENT.text("name").unwrap(), None);
        assert_eq!(SinkwellBytes { data: "x".as_ptr(), len: 0 }.text("name").unwrap(), Some(""));
        let e = SinkwellBytes { data: std::ptr::null(), len: 3 }.text("name").unwrap_err();
        assert_eq!((e.kind(), e.place()), (ErrorKind::InvalidArgument, Some("name")));
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
    // A result twice, then dropped: one call.
    let completion = Completion::new(1, Some(note)).unwrap();
    completion.tell(Ok(b"{}".to_vec()));
    completion.tell(Ok(b"again".to_vec()));
    drop(completion);
    assert_eq!(told(1), [(0, "{}".to_owned())]);

    // Dropped without a result: `closed`.
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

    // The callback was called before starting failed: the status is 0.
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

/// A stream of every kind of value, and the JSON that it says.
const STREAM: &[u8] = b"{\
    k\x01\0\0\0bs\x02\0\0\0\xc3\xa9\
    k\x01\0\0\0ai\xff\xff\xff\xff\xff\xff\xff\xff\
    k\x01\0\0\0cd\0\0\0\0\0\0\xf8\x3f\
    k\x01\0\0\0d[tfn{}]\
    k\x01\0\0\0ej\x0d\0\0\0{\"z\":1,\"y\":2}\
    }";

fn canonical(stream: &[u8]) -> sinkwell::Result<String> {
    crate::values::with_values(stream, 64, |writer| match writer.finish() {
        Ok(data) => Ok(String::from_utf8(data.bytes().to_vec()).unwrap()),
        Err(e) => Err(sinkwell::event::invalid_data(&e)),
    })
}

#[test]
fn a_stream_of_values_is_written_canonically() {
    let json = r#"{"a":-1,"b":"é","c":1.5,"d":[true,false,null,{}],"e":{"y":2,"z":1}}"#;
    assert_eq!(canonical(STREAM).unwrap(), json);
    assert_eq!(canonical(b"{}").unwrap(), "{}");
}

#[test]
fn a_stream_that_breaks_off_is_refused_wherever_it_does() {
    for end in 0..STREAM.len() {
        assert!(canonical(&STREAM[..end]).is_err(), "after {end} bytes");
    }
    for at in 0..STREAM.len() {
        let mut other = STREAM.to_vec();
        other[at] ^= 0x80;
        // Another value, or an error: never a panic, nor more than the bytes.
        let _ = canonical(&other);
    }
}

#[test]
fn a_stream_is_held_to_the_rules_for_data() {
    let refused = |stream: &[u8]| {
        let e = canonical(stream).unwrap_err();
        (e.kind(), e.place().unwrap_or_default().to_owned())
    };
    let event = |place: &str| (ErrorKind::InvalidEvent, place.to_owned());
    // Integers beyond 2^53, NaN, a key twice (also inside JSON text), too deep, no UTF-8, no object, two objects.
    assert_eq!(refused(b"{k\x01\0\0\0ai\0\0\0\0\0\0\x20\0}"), event("data.a"));
    assert_eq!(refused(b"{k\x01\0\0\0a[nd\0\0\0\0\0\0\xf8\x7f]}"), event("data.a[1]"));
    assert_eq!(refused(b"{k\x01\0\0\0atk\x01\0\0\0at}").0, ErrorKind::InvalidEvent);
    assert_eq!(refused(b"{k\x01\0\0\0aj\x0d\0\0\0{\"z\":1,\"z\":2}}").0, ErrorKind::InvalidEvent);
    assert_eq!(refused(&[b"{k\x01\0\0\0a".as_slice(), &[b'['; 64]].concat()).0, ErrorKind::InvalidEvent);
    assert_eq!(refused(b"{k\x01\0\0\0as\x01\0\0\0\xff}"), event("data.a"));
    for none in [b"[]".as_slice(), b"t", b"", b"{", b"{}{}", b"}", b"{t}", b"{k\0\0\0\0}"] {
        assert_eq!(refused(none).0, ErrorKind::InvalidEvent, "{none:?}");
    }
    for none in [b"x".as_slice(), b"{k\xff\xff\xff\xffa", b"{k\x01\0\0\0ai\0"] {
        assert_eq!(refused(none), (ErrorKind::InvalidArgument, "data".to_owned()), "{none:?}");
    }
}
