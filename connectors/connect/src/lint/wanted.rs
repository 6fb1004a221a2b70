//! Settings of the Postgres connector that have to have one value.

use super::Finding;
use crate::Connector;

/// A setting, what it is when nobody says, and what it has to be.
struct Wanted {
    setting: &'static str,
    default: &'static str,
    allowed: fn(&str) -> bool,
    reason: &'static str,
    instead: &'static str,
}

const WANTED: &[Wanted] = &[
    Wanted {
        setting: "snapshot.mode",
        default: "initial",
        allowed: |value| value == "no_data",
        reason: "a snapshot sends every row that is still in the outbox again",
        instead: "no_data; what a topic lacks is repaired from the event store",
    },
    Wanted {
        setting: "slot.drop.on.stop",
        default: "false",
        allowed: |value| value == "false",
        reason: "what is committed while the connector is stopped is lost with its slot",
        instead: "false",
    },
    Wanted {
        setting: "heartbeat.interval.ms",
        default: "0",
        allowed: |value| value.parse::<u64>().is_ok_and(|ms| ms > 0),
        reason: "without heartbeats the slot of a quiet outbox holds back the log of its busy neighbours until the disk is full or the slot is lost",
        instead: "a number of milliseconds above 0, such as 5000",
    },
    Wanted {
        setting: "heartbeat.action.query",
        default: "",
        allowed: |value| !value.trim().is_empty(),
        reason: "a heartbeat that writes nothing moves no slot",
        instead: "update cdc_heartbeat set at = now()",
    },
    Wanted {
        setting: "publication.autocreate.mode",
        default: "all_tables",
        allowed: |value| value == "disabled",
        reason: "a publication made by the connector has other tables and lacks the partitioned outbox's root",
        instead: "disabled; migrations make the publication",
    },
    Wanted {
        setting: "offset.mismatch.strategy",
        default: "no_validation",
        allowed: |value| value == "trust_offset",
        reason: "a slot that was dropped and made again is read on in silence, behind the gap",
        instead: "trust_offset",
    },
    Wanted {
        setting: "table.include.list",
        default: "",
        allowed: |value| [r"public.outbox", r"public\.outbox"].contains(&value),
        reason: "rows of other tables are no events; with the heartbeat's among them the task stops",
        instead: "public.outbox",
    },
    Wanted {
        setting: "tasks.max",
        default: "1",
        allowed: |value| value == "1",
        reason: "a slot has one reader, so there is nothing for another task to do",
        instead: "1",
    },
    Wanted {
        setting: "value.converter",
        default: "",
        allowed: |value| value == BINARY,
        reason: "the payload's bytes arrive wrapped or encoded, and no consumer can read them",
        instead: BINARY,
    },
    Wanted {
        setting: "value.converter.delegate.converter.type",
        default: "",
        allowed: |value| !value.trim().is_empty(),
        reason: "a heartbeat is no bytes; without a delegate it stops the task",
        instead: "org.apache.kafka.connect.json.JsonConverter",
    },
    Wanted {
        setting: "event.processing.failure.handling.mode",
        default: "fail",
        allowed: |value| value == "fail",
        reason: "an event that cannot be processed is passed over",
        instead: "fail, or nothing",
    },
    Wanted {
        setting: "skipped.operations",
        default: "t",
        allowed: |value| value.split(',').all(|operation| operation.trim() != "c"),
        reason: "c are inserts, and those are the events",
        instead: "t, or nothing",
    },
];

const BINARY: &str = "io.debezium.converters.BinaryDataConverter";

pub(super) fn findings(connector: &Connector) -> Vec<Finding> {
    let is_wrong = |wanted: &&Wanted| {
        let value = connector.settings.get(wanted.setting).map_or(wanted.default, String::as_str);
        !(wanted.allowed)(value)
    };
    let finding = |wanted: &Wanted| Finding::of(connector, wanted.setting, wanted.reason, wanted.instead);
    WANTED.iter().filter(is_wrong).map(finding).collect()
}
