//! Users that log in by SCRAM-SHA-512.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use rdkafka::bindings::*;
use rdkafka::error::KafkaError;

use rd_kafka_ScramMechanism_t::RD_KAFKA_SCRAM_MECHANISM_SHA_512;

use super::{Client, Failure, accepted, lent, request, text};

/// Twice what Kafka asks for at least; a login pays for them once, in milliseconds.
const ITERATIONS: i32 = 8192;

/// The names of all users that have a password.
pub(in crate::kafka) fn list(client: &Client, timeout: Duration) -> Result<BTreeSet<String>, Failure> {
    let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS;
    let event = request(client, timeout, operation, |rk, options, queue| {
        // SAFETY: all pointers are live for the call; no list of users means all of them.
        unsafe { rd_kafka_DescribeUserScramCredentials(rk, ptr::null_mut(), 0, options, queue) }
    })?;
    // SAFETY: the event is a result of this call (`request` checked that it is no error); the descriptions, and what
    // hangs on them, live as long as the event, which outlives this block.
    unsafe {
        let result = rd_kafka_event_DescribeUserScramCredentials_result(event.0);
        let mut count = 0;
        let found = rd_kafka_DescribeUserScramCredentials_result_descriptions(result, &mut count);
        let mut users = BTreeSet::new();
        for user in lent(found, count) {
            let name = text(rd_kafka_UserScramCredentialsDescription_user(*user));
            accepted(
                rd_kafka_UserScramCredentialsDescription_error(*user),
                &format!("looking at user {name}"),
            )?;
            let credentials = rd_kafka_UserScramCredentialsDescription_scramcredentialinfo_count(*user);
            let mechanism = |index| {
                mechanism_number(rd_kafka_UserScramCredentialsDescription_scramcredentialinfo(*user, index))
            };
            if (0..credentials).any(|index| mechanism(index) == RD_KAFKA_SCRAM_MECHANISM_SHA_512 as u32) {
                users.insert(name);
            }
        }
        Ok(users)
    }
}

/// librdkafka passes this number on as the network brought it, so it must not become an enum before it was looked at.
///
/// # Safety
/// `credential` lives.
unsafe fn mechanism_number(credential: *const rd_kafka_ScramCredentialInfo_t) -> u32 {
    type Typed = unsafe extern "C" fn(*const rd_kafka_ScramCredentialInfo_t) -> rd_kafka_ScramMechanism_t;
    type Number = unsafe extern "C" fn(*const rd_kafka_ScramCredentialInfo_t) -> u32;
    // SAFETY: C returns an enum as the unsigned number that it is; the caller promises the rest.
    unsafe { std::mem::transmute::<Typed, Number>(rd_kafka_ScramCredentialInfo_mechanism)(credential) }
}

/// Gives users these passwords, whether they had one or not. The passwords do not travel: keys made from them do.
pub(in crate::kafka) fn set_passwords(
    client: &Client,
    timeout: Duration,
    passwords: &[(String, String)],
) -> Result<(), Failure> {
    let mut alterations = Vec::with_capacity(passwords.len());
    for (user, password) in passwords {
        alterations.push(Alteration::password(user, password)?);
    }
    let mut pointers: Vec<_> = alterations.iter().map(|alteration| alteration.0).collect();
    let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERUSERSCRAMCREDENTIALS;
    let event = request(client, timeout, operation, |rk, options, queue| {
        // SAFETY: `pointers` holds live alterations, which the call copies.
        unsafe {
            rd_kafka_AlterUserScramCredentials(rk, pointers.as_mut_ptr(), pointers.len(), options, queue)
        }
    })?;
    // SAFETY: as in `list`.
    unsafe {
        let result = rd_kafka_event_AlterUserScramCredentials_result(event.0);
        let mut count = 0;
        let answers = rd_kafka_AlterUserScramCredentials_result_responses(result, &mut count);
        lent(answers, count).iter().try_for_each(|answer| {
            let user = text(rd_kafka_AlterUserScramCredentials_result_response_user(*answer));
            let error = rd_kafka_AlterUserScramCredentials_result_response_error(*answer);
            accepted(error, &format!("giving user {user} a password"))
        })
    }
}

/// A user's new password.
struct Alteration(*mut rd_kafka_UserScramCredentialAlteration_t);

impl Alteration {
    fn password(user: &str, password: &str) -> Result<Self, Failure> {
        if user.is_empty() || password.is_empty() {
            let what = format!("giving user {user:?} a password");
            return Err(Failure::Refused { what, reason: "it is empty".to_owned() }); // C would not take it
        }
        let name = CString::new(user).map_err(|error| Failure::Request(KafkaError::Nul(error)))?;
        // SAFETY: a C string and bytes with their true length, which are copied; without a salt C makes one.
        Ok(Self(unsafe {
            rd_kafka_UserScramCredentialUpsertion_new(
                name.as_ptr(),
                RD_KAFKA_SCRAM_MECHANISM_SHA_512,
                ITERATIONS,
                password.as_ptr(),
                password.len(),
                ptr::null(),
                0,
            )
        }))
    }
}

impl Drop for Alteration {
    fn drop(&mut self) {
        // SAFETY: made by C, given back once.
        unsafe { rd_kafka_UserScramCredentialAlteration_destroy(self.0) }
    }
}
