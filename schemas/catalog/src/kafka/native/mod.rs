//! What rdkafka does not wrap: access rules, users, single settings and the cluster's id; the C calls of librdkafka, and nothing else.
//!
//! Every object that C gives away is owned by a guard that gives it back; every object that C lends lives inside the
//! event that it came with, and is copied before the event goes. librdkafka copies its arguments before a call
//! returns, and maps numbers from the network that it does not know to `UNKNOWN`, so its enums are sound here.
#![expect(
    unsafe_code,
    reason = "rdkafka offers neither access rules nor users nor single settings, and librdkafka is C"
)]

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::bindings::*;
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

pub(super) mod acls;
pub(super) mod settings;
pub(super) mod users;

pub(super) type Client = AdminClient<DefaultClientContext>;

/// Why a call did not do what it should.
pub(super) enum Failure {
    /// The request itself failed.
    Request(KafkaError),
    /// The cluster answered, and refused one thing.
    Refused { what: String, reason: String },
}

/// The id that the cluster was formatted with.
pub(super) fn cluster_id(client: &Client, timeout: Duration) -> Result<String, Failure> {
    let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the client is live while it is borrowed; the text is copied, and given back with C's own call.
    let id = unsafe {
        let said = rd_kafka_clusterid(client.inner().native_ptr(), millis);
        let id = text(said);
        rd_kafka_mem_free(client.inner().native_ptr(), said.cast());
        id
    };
    if id.is_empty() {
        return Err(Failure::Request(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)));
    }
    Ok(id)
}

/// What the client has complained about since it was last asked, the first thing first: a timeout alone does not say
/// that the password is wrong. rdkafka's admin client leaves these on their queue for ever.
pub(super) fn complaint(client: &Client) -> Option<String> {
    const AT_MOST: usize = 1000;
    const ERROR_LEVEL: c_int = 3;
    // SAFETY: the client is live while it is borrowed; the guard gives the reference to the queue back.
    let queue = Queue(unsafe { rd_kafka_queue_get_main(client.inner().native_ptr()) });
    // SAFETY: a live queue; each event is owned by its guard.
    let events = (0..AT_MOST).map(|_| Event(unsafe { rd_kafka_queue_poll(queue.0, 0) }));
    let complaints = events.take_while(|event| !event.0.is_null()).filter_map(|event| {
        let (mut facility, mut said, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: a live event; the texts live in it, and are copied.
        unsafe {
            match rd_kafka_event_type(event.0) {
                RD_KAFKA_EVENT_ERROR => Some(text(rd_kafka_event_error_string(event.0))),
                RD_KAFKA_EVENT_LOG => {
                    let read = rd_kafka_event_log(event.0, &mut facility, &mut said, &mut level);
                    (read == 0 && level <= ERROR_LEVEL).then(|| text(said))
                }
                _ => None,
            }
        }
    });
    complaints.collect::<Vec<_>>().into_iter().next()
}

/// Sends one admin request and waits for its event.
fn request(
    client: &Client,
    timeout: Duration,
    operation: rd_kafka_admin_op_t,
    send: impl FnOnce(*mut rd_kafka_t, *const rd_kafka_AdminOptions_t, *mut rd_kafka_queue_t),
) -> Result<Event, Failure> {
    let rk = client.inner().native_ptr();
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let mut said = [0 as c_char; 256];
    // SAFETY: `rk` is live while `client` is borrowed; the guards own what is made here.
    let (options, queue) =
        unsafe { (Options(rd_kafka_AdminOptions_new(rk, operation)), Queue(rd_kafka_queue_new(rk))) };
    // SAFETY: live options, and a buffer with its true length.
    let set = unsafe {
        rd_kafka_AdminOptions_set_request_timeout(options.0, millis, said.as_mut_ptr(), said.len())
    };
    failed(set)?;
    send(rk, options.0, queue.0);
    // librdkafka answers every request by its timeout, with an error if nothing else; the second more is for it.
    // SAFETY: a live queue; the event it gives is owned by the guard.
    let event = Event(unsafe { rd_kafka_queue_poll(queue.0, millis.saturating_add(1000)) });
    if event.0.is_null() {
        return Err(Failure::Request(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)));
    }
    // SAFETY: a live event.
    let done = failed(unsafe { rd_kafka_event_error(event.0) });
    match done {
        Ok(()) => Ok(event),
        Err(failure) => {
            if operation == rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS {
                // librdkafka 2.12 keeps the words of this one refusal on its stack, and frees them with the event.
                std::mem::forget(event);
            }
            Err(failure)
        }
    }
}

fn failed(code: rd_kafka_resp_err_t) -> Result<(), Failure> {
    match code {
        rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(Failure::Request(KafkaError::AdminOp(code.into()))),
    }
}

/// # Safety
/// `error` is null, or lives.
unsafe fn accepted(error: *const rd_kafka_error_t, what: &str) -> Result<(), Failure> {
    // SAFETY: `error` is null, which means none, or it lives; for users, an error of code zero means none.
    if unsafe { rd_kafka_error_code(error) } == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    // SAFETY: `error` is not null, so it lives, and its text with it.
    Err(Failure::Refused { what: what.to_owned(), reason: unsafe { text(rd_kafka_error_string(error)) } })
}

/// # Safety
/// `items` is null or points to `count` elements that live as long as the result is used.
unsafe fn lent<'a, T>(items: *mut *const T, count: usize) -> &'a [*const T] {
    // SAFETY: the caller's promise; null goes with a count of zero.
    if items.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(items, count) } }
}

/// # Safety
/// `text` is null, or a C string that lives.
unsafe fn text(text: *const c_char) -> String {
    // SAFETY: the caller's promise.
    if text.is_null() {
        String::new()
    } else {
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

/// A rule; `None` if it is about something that this librdkafka does not know.
///
struct Options(*mut rd_kafka_AdminOptions_t);
struct Queue(*mut rd_kafka_queue_t);
struct Event(*mut rd_kafka_event_t);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: made by C, given back once.
        unsafe { rd_kafka_AdminOptions_destroy(self.0) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made by C, given back once.
        unsafe { rd_kafka_queue_destroy(self.0) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: given by C, given back once.
            unsafe { rd_kafka_event_destroy(self.0) }
        }
    }
}
