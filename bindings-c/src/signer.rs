//! A host's signer: signs a batch of signing inputs, through a reply.
//!
//! While it is slow or fails, its lanes wait; nothing is sent unsigned in its place.

use std::sync::Arc;

use sinkwell::key::HostSigner;
use sinkwell::{Error, Result};

use crate::bytes::SinkwellBytes;
use crate::error::{SinkwellError, guard};
use crate::reply::{Reply, reply, take};
use crate::sink::Freed;
use crate::slice::Slice;

/// A signer of the host's (a KMS, an HSM).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkwellSigner {
    /// The host's, passed to each function.
    pub user: u64,
    /// Signs `len` inputs and answers through `reply`, now or later, from any thread. The inputs are valid
    /// until then. Called from several lanes' threads at once.
    pub sign: Option<
        unsafe extern "C" fn(
            user: u64,
            inputs: *const SinkwellBytes,
            len: u64,
            reply: *mut SinkwellSignReply,
        ),
    >,
    /// Frees `user`; NULL: nothing is to be freed. Called once, from any thread.
    pub free: Option<unsafe extern "C" fn(user: u64)>,
}

type Signed = std::result::Result<Vec<Vec<u8>>, String>;

/// A batch to be signed: to be answered by one call of `sinkwell_sign_reply`.
pub struct SinkwellSignReply(Reply<Signed, Inputs>);

/// The bytes that the views of a batch point to, kept until the host answers, however late.
struct Inputs {
    _bytes: Vec<Box<[u8]>>,
    views: Box<[SinkwellBytes]>,
}

// SAFETY: the views point into the bytes beside them, which never change.
unsafe impl Send for Inputs {}

struct Table {
    user: u64,
    sign: unsafe extern "C" fn(u64, *const SinkwellBytes, u64, *mut SinkwellSignReply),
    _free: Freed,
}

/// A signer as the core takes it.
///
/// # Safety
/// The functions of `table` may be called from any thread until `free` was called.
pub(crate) unsafe fn host_signer(table: &SinkwellSigner) -> Result<Arc<dyn HostSigner>> {
    let free = Freed { user: table.user, free: table.free };
    let sign = table.sign.ok_or_else(|| Error::invalid_argument("is NULL").at("signer.sign"))?;
    Ok(Arc::new(Table { user: table.user, sign, _free: free }))
}

impl HostSigner for Table {
    fn sign(&self, inputs: &[&[u8]]) -> Signed {
        let bytes: Vec<Box<[u8]>> = inputs.iter().map(|input| Box::from(*input)).collect();
        let views = bytes.iter().map(|input| SinkwellBytes::of(input)).collect();
        let kept = Inputs { _bytes: bytes, views };
        let (first, len) = (kept.views.as_ptr(), kept.views.len() as u64);
        let (reply, answer) = reply(kept);
        let handle = Box::into_raw(Box::new(SinkwellSignReply(reply)));
        // SAFETY: the host's function, with what it was promised.
        unsafe { (self.sign)(self.user, first, len, handle) };
        answer.recv().unwrap_or_else(|_| Err("the signer gave no answer".to_owned()))
    }
}

/// Answers with one raw signature per input, in order; or, with `failure` present, says why there is none.
///
/// # Ownership
/// Takes the reply, which becomes NULL; signatures and text stay the caller's.
///
/// # Safety
/// `reply` points to a reply that no other call is using; `signatures` is NULL or points to `len` byte strings,
/// valid for the call; `failure` is absent or text; `error` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinkwell_sign_reply(
    reply: *mut *mut SinkwellSignReply,
    signatures: *const SinkwellBytes,
    len: u64,
    failure: SinkwellBytes,
    error: *mut SinkwellError,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe {
        guard(error, || {
            let answer = match failure.text("failure")? {
                Some(failure) => Err(failure.to_owned()),
                None => Slice::new(signatures, len)
                    .get(|| "signatures".to_owned())?
                    .iter()
                    .map(|signature| Ok(signature.get("signatures")?.unwrap_or_default().to_vec()))
                    .collect::<Result<Vec<_>>>()
                    .map(Ok)?,
            };
            take(reply)?.0.send(answer);
            Ok(())
        })
    }
}
