//! Access rules, which rdkafka does not wrap: the C calls of librdkafka, and nothing else.
//!
//! Every object that C gives away is owned by a guard that gives it back; every object that C lends lives inside the
//! event that it came with, and is copied before the event goes. librdkafka copies its arguments before a call
//! returns, and maps numbers from the network that it does not know to `UNKNOWN`, so its enums are sound here.
#![expect(unsafe_code, reason = "rdkafka offers no access rules, and librdkafka is C")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::bindings::*;
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use rd_kafka_AclOperation_t::*;
use rd_kafka_AclPermissionType_t::*;
use rd_kafka_ResourcePatternType_t::*;
use rd_kafka_ResourceType_t::*;

use crate::{Acl, Operation, Pattern, Permission, Resource};

pub(super) type Client = AdminClient<DefaultClientContext>;

/// Why a call did not do what it should.
pub(super) enum Failure {
    /// The request itself failed.
    Request(KafkaError),
    /// The cluster answered, and refused one rule.
    Refused { what: String, reason: String },
}

/// Every rule of the cluster, except those about things that this librdkafka does not know.
pub(super) fn list(client: &Client, timeout: Duration) -> Result<Vec<Acl>, Failure> {
    let everything = Binding::any()?;
    let event =
        request(client, timeout, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, |rk, opts, queue| {
            // SAFETY: all four pointers are live for the call; the filter is copied by it.
            unsafe { rd_kafka_DescribeAcls(rk, everything.0, opts, queue) }
        })?;
    // SAFETY: the event is a DescribeAcls result (`request` checked that it is no error), its result and the array of
    // `count` bindings live as long as the event, which outlives this block.
    unsafe {
        let result = rd_kafka_event_DescribeAcls_result(event.0);
        let mut count = 0;
        let found = rd_kafka_DescribeAcls_result_acls(result, &mut count);
        Ok(lent(found, count).iter().filter_map(|binding| read(*binding)).collect())
    }
}

/// Adds rules; one that is there already stays.
pub(super) fn create(client: &Client, timeout: Duration, acls: &[Acl]) -> Result<(), Failure> {
    let bindings = acls.iter().map(Binding::exactly).collect::<Result<Vec<_>, _>>()?;
    let mut pointers: Vec<_> = bindings.iter().map(|binding| binding.0).collect();
    let event =
        request(client, timeout, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEACLS, |rk, opts, queue| {
            // SAFETY: `pointers` holds live bindings, which the call copies.
            unsafe { rd_kafka_CreateAcls(rk, pointers.as_mut_ptr(), pointers.len(), opts, queue) }
        })?;
    // SAFETY: as in `list`; the answers come in the order of the questions.
    unsafe {
        let result = rd_kafka_event_CreateAcls_result(event.0);
        let mut count = 0;
        let answers = rd_kafka_CreateAcls_result_acls(result, &mut count);
        let answers = lent(answers, count).iter();
        answers.zip(acls).try_for_each(|(answer, acl)| accepted(rd_kafka_acl_result_error(*answer), acl))
    }
}

/// Removes rules; one that is gone already stays gone.
pub(super) fn delete(client: &Client, timeout: Duration, acls: &[Acl]) -> Result<(), Failure> {
    let filters = acls.iter().map(Binding::exactly_that).collect::<Result<Vec<_>, _>>()?;
    let mut pointers: Vec<_> = filters.iter().map(|filter| filter.0).collect();
    let event =
        request(client, timeout, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEACLS, |rk, opts, queue| {
            // SAFETY: `pointers` holds live filters, which the call copies.
            unsafe { rd_kafka_DeleteAcls(rk, pointers.as_mut_ptr(), pointers.len(), opts, queue) }
        })?;
    // SAFETY: as in `list`; the answers come in the order of the questions.
    unsafe {
        let result = rd_kafka_event_DeleteAcls_result(event.0);
        let mut count = 0;
        let answers = rd_kafka_DeleteAcls_result_responses(result, &mut count);
        let answers = lent(answers, count).iter();
        answers
            .zip(acls)
            .try_for_each(|(answer, acl)| accepted(rd_kafka_DeleteAcls_result_response_error(*answer), acl))
    }
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
    failed(unsafe { rd_kafka_event_error(event.0) })?;
    Ok(event)
}

fn failed(code: rd_kafka_resp_err_t) -> Result<(), Failure> {
    match code {
        rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(Failure::Request(KafkaError::AdminOp(code.into()))),
    }
}

/// # Safety
/// `error` is null, or lives.
unsafe fn accepted(error: *const rd_kafka_error_t, acl: &Acl) -> Result<(), Failure> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: `error` is not null, so it lives, and its text with it.
    Err(Failure::Refused { what: acl.to_string(), reason: unsafe { text(rd_kafka_error_string(error)) } })
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
/// # Safety
/// `binding` lives.
unsafe fn read(binding: *const rd_kafka_AclBinding_t) -> Option<Acl> {
    // SAFETY: the caller's promise; the texts live in the binding.
    unsafe {
        Some(Acl {
            principal: text(rd_kafka_AclBinding_principal(binding)),
            resource: match rd_kafka_AclBinding_restype(binding) {
                RD_KAFKA_RESOURCE_TOPIC => Resource::Topic,
                RD_KAFKA_RESOURCE_GROUP => Resource::Group,
                RD_KAFKA_RESOURCE_BROKER => Resource::Cluster,
                RD_KAFKA_RESOURCE_TRANSACTIONAL_ID => Resource::TransactionalId,
                _ => return None,
            },
            pattern: match rd_kafka_AclBinding_resource_pattern_type(binding) {
                RD_KAFKA_RESOURCE_PATTERN_LITERAL => Pattern::Literal,
                RD_KAFKA_RESOURCE_PATTERN_PREFIXED => Pattern::Prefixed,
                _ => return None,
            },
            name: text(rd_kafka_AclBinding_name(binding)),
            operation: match rd_kafka_AclBinding_operation(binding) {
                RD_KAFKA_ACL_OPERATION_ALL => Operation::All,
                RD_KAFKA_ACL_OPERATION_READ => Operation::Read,
                RD_KAFKA_ACL_OPERATION_WRITE => Operation::Write,
                RD_KAFKA_ACL_OPERATION_CREATE => Operation::Create,
                RD_KAFKA_ACL_OPERATION_DELETE => Operation::Delete,
                RD_KAFKA_ACL_OPERATION_ALTER => Operation::Alter,
                RD_KAFKA_ACL_OPERATION_DESCRIBE => Operation::Describe,
                RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION => Operation::ClusterAction,
                RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS => Operation::DescribeConfigs,
                RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS => Operation::AlterConfigs,
                RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE => Operation::IdempotentWrite,
                _ => return None,
            },
            permission: match rd_kafka_AclBinding_permission_type(binding) {
                RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW => Permission::Allow,
                RD_KAFKA_ACL_PERMISSION_TYPE_DENY => Permission::Deny,
                _ => return None,
            },
            host: text(rd_kafka_AclBinding_host(binding)),
        })
    }
}

/// A rule, or a filter for rules: C has one type for both.
struct Binding(*mut rd_kafka_AclBinding_t);

impl Binding {
    /// The filter that lets every rule through.
    fn any() -> Result<Self, Failure> {
        let mut said = [0 as c_char; 256];
        let (size, said_at) = (said.len(), said.as_mut_ptr());
        // SAFETY: null means any name, principal and host; the buffer has its true length.
        let filter = unsafe {
            rd_kafka_AclBindingFilter_new(
                RD_KAFKA_RESOURCE_ANY,
                ptr::null(),
                RD_KAFKA_RESOURCE_PATTERN_ANY,
                ptr::null(),
                ptr::null(),
                RD_KAFKA_ACL_OPERATION_ANY,
                RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
                said_at,
                size,
            )
        };
        Self::made(filter, "every rule", &said)
    }

    fn exactly(acl: &Acl) -> Result<Self, Failure> {
        Self::with(acl, rd_kafka_AclBinding_new)
    }

    /// The filter that lets this one rule through.
    fn exactly_that(acl: &Acl) -> Result<Self, Failure> {
        Self::with(acl, rd_kafka_AclBindingFilter_new)
    }

    fn with(acl: &Acl, make: New) -> Result<Self, Failure> {
        let resource = match acl.resource {
            Resource::Topic => RD_KAFKA_RESOURCE_TOPIC,
            Resource::Group => RD_KAFKA_RESOURCE_GROUP,
            Resource::Cluster => RD_KAFKA_RESOURCE_BROKER,
            Resource::TransactionalId => RD_KAFKA_RESOURCE_TRANSACTIONAL_ID,
        };
        let pattern = match acl.pattern {
            Pattern::Literal => RD_KAFKA_RESOURCE_PATTERN_LITERAL,
            Pattern::Prefixed => RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
        };
        let operation = match acl.operation {
            Operation::All => RD_KAFKA_ACL_OPERATION_ALL,
            Operation::Read => RD_KAFKA_ACL_OPERATION_READ,
            Operation::Write => RD_KAFKA_ACL_OPERATION_WRITE,
            Operation::Create => RD_KAFKA_ACL_OPERATION_CREATE,
            Operation::Delete => RD_KAFKA_ACL_OPERATION_DELETE,
            Operation::Alter => RD_KAFKA_ACL_OPERATION_ALTER,
            Operation::Describe => RD_KAFKA_ACL_OPERATION_DESCRIBE,
            Operation::ClusterAction => RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION,
            Operation::DescribeConfigs => RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
            Operation::AlterConfigs => RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS,
            Operation::IdempotentWrite => RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE,
        };
        let permission = match acl.permission {
            Permission::Allow => RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
            Permission::Deny => RD_KAFKA_ACL_PERMISSION_TYPE_DENY,
        };
        let c = |text: &str| CString::new(text).map_err(|e| Failure::Request(KafkaError::Nul(e)));
        let (name, principal, host) = (c(&acl.name)?, c(&acl.principal)?, c(&acl.host)?);
        let mut said = [0 as c_char; 256];
        let (size, said_at) = (said.len(), said.as_mut_ptr());
        let (name, principal, host) = (name.as_ptr(), principal.as_ptr(), host.as_ptr());
        // SAFETY: three C strings that live until the end of this function and are copied, and a buffer with its length.
        let made =
            unsafe { make(resource, name, pattern, principal, host, operation, permission, said_at, size) };
        Self::made(made, &acl.to_string(), &said)
    }

    fn made(binding: *mut rd_kafka_AclBinding_t, what: &str, said: &[c_char; 256]) -> Result<Self, Failure> {
        if !binding.is_null() {
            return Ok(Self(binding));
        }
        // SAFETY: librdkafka ends what it says with a zero, inside the buffer.
        Err(Failure::Refused { what: what.to_owned(), reason: unsafe { text(said.as_ptr()) } })
    }
}

/// The shape that C's two constructors share.
type New = unsafe extern "C" fn(
    rd_kafka_ResourceType_t,
    *const c_char,
    rd_kafka_ResourcePatternType_t,
    *const c_char,
    *const c_char,
    rd_kafka_AclOperation_t,
    rd_kafka_AclPermissionType_t,
    *mut c_char,
    usize,
) -> *mut rd_kafka_AclBinding_t;

struct Options(*mut rd_kafka_AdminOptions_t);
struct Queue(*mut rd_kafka_queue_t);
struct Event(*mut rd_kafka_event_t);

impl Drop for Binding {
    fn drop(&mut self) {
        // SAFETY: made by C, not null, given back once.
        unsafe { rd_kafka_AclBinding_destroy(self.0) }
    }
}

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
