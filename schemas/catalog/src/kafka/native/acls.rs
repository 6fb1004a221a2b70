//! Access rules.

use std::ffi::{CString, c_char};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings::*;
use rdkafka::error::KafkaError;

use rd_kafka_AclOperation_t::*;
use rd_kafka_AclPermissionType_t::*;
use rd_kafka_ResourcePatternType_t::*;
use rd_kafka_ResourceType_t::*;

use super::{Client, Failure, accepted, lent, request, text};
use crate::{Acl, Operation, Pattern, Permission, Resource};

/// Every rule of the cluster, except those about things that this librdkafka does not know.
pub(in crate::kafka) fn list(client: &Client, timeout: Duration) -> Result<Vec<Acl>, Failure> {
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
pub(in crate::kafka) fn create(client: &Client, timeout: Duration, acls: &[Acl]) -> Result<(), Failure> {
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
        answers
            .zip(acls)
            .try_for_each(|(answer, acl)| accepted(rd_kafka_acl_result_error(*answer), &acl.to_string()))
    }
}

/// Removes rules; one that is gone already stays gone.
pub(in crate::kafka) fn delete(client: &Client, timeout: Duration, acls: &[Acl]) -> Result<(), Failure> {
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
        answers.zip(acls).try_for_each(|(answer, acl)| {
            accepted(rd_kafka_DeleteAcls_result_response_error(*answer), &acl.to_string())
        })
    }
}

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

impl Drop for Binding {
    fn drop(&mut self) {
        // SAFETY: made by C, not null, given back once.
        unsafe { rd_kafka_AclBinding_destroy(self.0) }
    }
}
