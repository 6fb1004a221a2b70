//! One fixture per rule: the committed connector with one thing wrong.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Finding, lint, lint_together, unknown};
use crate::Connector;

fn outbox() -> Connector {
    Connector::outbox(Path::new("/run/secrets.properties"))
}

fn without(setting: &str) -> Connector {
    let mut connector = outbox();
    connector.settings.remove(setting).expect("the committed file has it");
    connector
}

/// The only finding is about that setting and says these words.
#[track_caller]
fn refused(connector: &Connector, setting: &str, words: &str) {
    let findings = lint(connector);
    let [Finding { setting: found, reason, value, instead, .. }] = findings.as_slice() else {
        panic!("{findings:#?}")
    };
    assert_eq!(found, setting);
    assert!(reason.contains(words) && !instead.is_empty(), "{findings:#?}");
    assert_eq!(value.is_some(), connector.settings.contains_key(setting), "{findings:#?}");
}

#[test]
fn the_committed_connector_has_no_finding() {
    assert_eq!(lint(&outbox()), []);
    assert_eq!(lint_together(&[outbox()]), []);
}

#[test]
fn a_tolerated_error_is_a_lost_event() {
    refused(&outbox().with("errors.tolerance", "all"), "errors.tolerance", "dropped");
    assert_eq!(lint(&without("errors.tolerance")), [], "none is the default");
}

#[test]
fn a_snapshot_sends_the_outbox_again() {
    for mode in ["initial", "always", "when_needed", "initial_only", "configuration_based"] {
        refused(&outbox().with("snapshot.mode", mode), "snapshot.mode", "again");
    }
    refused(&without("snapshot.mode"), "snapshot.mode", "again");
}

#[test]
fn a_slot_that_goes_with_its_connector_loses_what_comes_meanwhile() {
    refused(&outbox().with("slot.drop.on.stop", "true"), "slot.drop.on.stop", "lost");
    refused(&outbox().with("slot.drop.on.stop", "TRUE"), "slot.drop.on.stop", "lost");
}

#[test]
fn a_connector_without_heartbeats_holds_the_log_back() {
    refused(&without("heartbeat.interval.ms"), "heartbeat.interval.ms", "holds back the log");
    refused(&outbox().with("heartbeat.interval.ms", "0"), "heartbeat.interval.ms", "holds back the log");
    refused(&without("heartbeat.action.query"), "heartbeat.action.query", "moves no slot");
    refused(&outbox().with("heartbeat.action.query", " "), "heartbeat.action.query", "moves no slot");
}

#[test]
fn a_publication_is_not_the_connectors_to_make() {
    for mode in ["all_tables", "filtered", "no_tables"] {
        let connector = outbox().with("publication.autocreate.mode", mode);
        refused(&connector, "publication.autocreate.mode", "root");
    }
    refused(&without("publication.autocreate.mode"), "publication.autocreate.mode", "root");
}

#[test]
fn a_slot_that_was_made_again_must_not_be_trusted() {
    for strategy in ["no_validation", "trust_slot", "trust_greater_lsn"] {
        let connector = outbox().with("offset.mismatch.strategy", strategy);
        refused(&connector, "offset.mismatch.strategy", "gap");
    }
    refused(&without("offset.mismatch.strategy"), "offset.mismatch.strategy", "gap");
}

#[test]
fn tables_other_than_the_outbox_are_not_captured() {
    for tables in ["public.outbox,public.cdc_heartbeat", "public.*", ""] {
        refused(&outbox().with("table.include.list", tables), "table.include.list", "no events");
    }
    refused(&without("table.include.list"), "table.include.list", "no events");
}

#[test]
fn a_password_that_is_written_out_is_refused_and_not_shown() {
    let connector = outbox().with("database.password", "hunter2");
    refused(&connector, "database.password", "may read");
    refused(&outbox().with("x.sasl.jaas.config", "hunter2"), "x.sasl.jaas.config", "may read");
    assert!(!format!("{:?}", lint(&connector)).contains("hunter2"));
    let in_url = outbox().with("x.url", "http://me:hunter2@somewhere/");
    refused(&in_url, "x.url", "may read");
    assert!(!format!("{:?}", lint(&in_url)).contains("hunter2"));
}

#[test]
fn how_records_are_sent_is_the_workers_business() {
    let connector = outbox().with("producer.override.linger.ms", "5");
    refused(&connector, "producer.override.linger.ms", "worker");
}

#[test]
fn a_payload_is_bytes_and_a_heartbeat_is_none() {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    refused(&outbox().with("value.converter", json), "value.converter", "no consumer");
    refused(&without("value.converter"), "value.converter", "no consumer");
    let delegate = "value.converter.delegate.converter.type";
    refused(&without(delegate), delegate, "heartbeat");
}

#[test]
fn an_outbox_row_that_changes_stops_the_task() {
    let setting = "transforms.outbox.table.op.invalid.behavior";
    for behaviour in ["warn", "error"] {
        refused(&outbox().with(setting, behaviour), setting, "changed");
    }
    refused(&without(setting), setting, "changed");
    refused(&outbox().with("transforms", "source,drop"), "transforms", "not as events");
}

#[test]
fn topics_are_not_the_connectors_to_make() {
    let setting = "topic.creation.default.partitions";
    refused(&outbox().with(setting, "6"), setting, "partitions");
}

#[test]
fn a_slot_has_one_task() {
    refused(&outbox().with("tasks.max", "2"), "tasks.max", "one reader");
}

#[test]
fn nothing_that_is_an_event_is_skipped() {
    let mode = "event.processing.failure.handling.mode";
    refused(&outbox().with(mode, "warn"), mode, "passed over");
    refused(&outbox().with("skipped.operations", "u, c"), "skipped.operations", "inserts");
}

#[test]
fn two_connectors_share_neither_slot_nor_publication() {
    let second = |slot: &str, publication: &str| {
        let other = outbox().with("slot.name", slot).with("publication.name", publication);
        Connector { name: "second".into(), ..other }
    };
    assert_eq!(lint_together(&[outbox(), second("a", "b")]), []);
    for (connector, setting) in
        [(second("outbox", "b"), "slot.name"), (second("a", "outbox"), "publication.name")]
    {
        let findings = lint_together(&[outbox(), connector]);
        let [Finding { connector, setting: found, instead, .. }] = findings.as_slice() else {
            panic!("{findings:#?}")
        };
        assert_eq!((connector.as_str(), found.as_str()), ("second", setting));
        assert!(instead.contains("outbox has this one"), "{instead}");
    }
}

#[test]
fn a_misspelt_setting_is_told_with_the_name_that_was_meant() {
    let known: BTreeSet<String> = outbox().settings.into_keys().collect();
    assert_eq!(unknown(&outbox(), &known), []);
    let connector = outbox().with("snapshot.mod", "no_data").with("wholly.else", "1");
    let findings = unknown(&connector, &known);
    let told: Vec<_> = findings.iter().map(|it| (it.setting.as_str(), it.instead.as_str())).collect();
    assert_eq!(
        told,
        [("snapshot.mod", "snapshot.mode, if that is meant, or nothing"), ("wholly.else", "nothing")]
    );
}

#[test]
fn a_finding_says_what_to_write() {
    let [finding] = &lint(&outbox().with("errors.tolerance", "all"))[..] else { panic!("one") };
    assert_eq!(
        finding.to_string(),
        "outbox: errors.tolerance = all: a record that fails is dropped, and nobody is told; instead: none"
    );
}
