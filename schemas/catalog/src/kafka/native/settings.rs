//! Settings of topics, one by one: rdkafka has only the older call, which replaces all settings of a topic at once and
//! whose refusals it drops.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::time::Duration;

use rdkafka::bindings::*;
use rdkafka::error::KafkaError;

use super::{Client, Failure, accepted, lent, request, text};

/// Settings by topic.
pub(in crate::kafka) type Settings = BTreeMap<String, BTreeMap<&'static str, String>>;

/// Sets these settings, and leaves every other as it is.
pub(in crate::kafka) fn set(client: &Client, timeout: Duration, topics: &Settings) -> Result<(), Failure> {
    let resources = topics
        .iter()
        .map(|(topic, settings)| Changes::new(topic, settings))
        .collect::<Result<Vec<_>, _>>()?;
    let mut pointers: Vec<_> = resources.iter().map(|resource| resource.0).collect();
    let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS;
    let event = request(client, timeout, operation, |rk, options, queue| {
        // SAFETY: `pointers` holds live resources, which the call copies.
        unsafe { rd_kafka_IncrementalAlterConfigs(rk, pointers.as_mut_ptr(), pointers.len(), options, queue) }
    })?;
    // SAFETY: the event is a result of this call (`request` checked that it is no error); the answers, and the texts
    // in them, live as long as the event, which outlives this block.
    unsafe {
        let result = rd_kafka_event_IncrementalAlterConfigs_result(event.0);
        let mut count = 0;
        let answers = rd_kafka_IncrementalAlterConfigs_result_resources(result, &mut count);
        lent(answers, count).iter().try_for_each(|answer| match rd_kafka_ConfigResource_error(*answer) {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            _ => Err(Failure::Refused {
                what: format!("changing topic {}", text(rd_kafka_ConfigResource_name(*answer))),
                reason: text(rd_kafka_ConfigResource_error_string(*answer)),
            }),
        })
    }
}

/// What changes of one topic.
struct Changes(*mut rd_kafka_ConfigResource_t);

impl Changes {
    fn new(topic: &str, settings: &BTreeMap<&'static str, String>) -> Result<Self, Failure> {
        let c = |text: &str| CString::new(text).map_err(|e| Failure::Request(KafkaError::Nul(e)));
        let name = c(topic)?;
        // SAFETY: a C string, which is copied.
        let changes = Self(unsafe {
            rd_kafka_ConfigResource_new(rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, name.as_ptr())
        });
        for (setting, value) in settings {
            let (name, value) = (c(setting)?, c(value)?);
            let set = rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET;
            // SAFETY: a live resource, and two C strings that are copied; an error is ours, and given back.
            unsafe {
                let error = rd_kafka_ConfigResource_add_incremental_config(
                    changes.0,
                    name.as_ptr(),
                    set,
                    value.as_ptr(),
                );
                let taken = accepted(error, &format!("setting {setting} of topic {topic}"));
                if !error.is_null() {
                    rd_kafka_error_destroy(error);
                }
                taken?;
            }
        }
        Ok(changes)
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        // SAFETY: made by C, given back once.
        unsafe { rd_kafka_ConfigResource_destroy(self.0) }
    }
}
