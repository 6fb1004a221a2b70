use events::ExecutionEvent;
use events::execution::{ExecutionCancelled, ExecutionJudged, ToolUsed, Verdict};

use super::*;
use crate::Encoder;

fn encoder() -> Encoder<ExecutionEvent> {
    Encoder::with_ids(100).unwrap()
}

/// A record of our namespace with these fields after the two that all share.
fn written_with(record: &str, fields: &str) -> Decoder<ExecutionEvent> {
    let schema = format!(
        r#"{{"type": "record", "name": "{record}", "namespace": "agents.execution", "fields": [
            {{"name": "execution_id", "type": {{"type": "string", "logicalType": "uuid"}}}},
            {{"name": "occurred_at", "type": {{"type": "long", "logicalType": "timestamp-micros"}}}}, {fields}]}}"#
    );
    Decoder::with_schemas([(7, schema.as_str())]).unwrap()
}

/// Framing, the two shared fields, and `rest`.
fn payload(rest: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 0, 0, 0, 7, 72];
    payload.extend_from_slice(b"018f3f5e-0000-7000-8000-000000000001");
    payload.push(2); // one microsecond after the epoch
    payload.extend_from_slice(rest);
    payload
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len() * 2).unwrap()], text.as_bytes()].concat()
}

fn is_datum_error(decoded: &Result<ExecutionEvent, DecodeError>) -> bool {
    matches!(decoded, Err(e @ DecodeError::Datum { .. }) if e.fault() == Fault::Poison)
}

#[test]
fn only_the_zero_byte_begins_a_payload() {
    let decoder = encoder().decoder();
    for magic in 1..=255 {
        let refused = decoder.decode(&[magic, 0, 0, 0, 100, 0]);
        assert!(matches!(refused, Err(DecodeError::Magic(found)) if found == magic));
    }
}

#[test]
fn unknown_ids_are_poison_and_unloaded_ones_are_not() {
    let decoder = encoder().decoder();
    for id in [0_u32, 99, 108, u32::MAX] {
        let refused = decoder.decode(&[&[0][..], &id.to_be_bytes(), &[0]].concat()).unwrap_err();
        assert!(matches!(refused, DecodeError::SchemaUnknown(found) if found == id));
        assert_eq!(refused.fault(), Fault::Poison);
    }
    assert_eq!(DecodeError::SchemaNotLoaded(1).fault(), Fault::Transient);
}

#[test]
fn a_length_that_the_payload_cannot_hold_is_refused_without_making_room_for_it() {
    let decoder = written_with("ExecutionCancelled", r#"{"name": "reason", "type": "string"}"#);
    let lengths: [&[u8]; 6] = [
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], // 2^41
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // i64::MAX
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // i64::MIN
        &[0x0d],                                     // -7
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // eleven bytes
        &[0x80],                                     // never ends
    ];
    for length in lengths {
        assert!(is_datum_error(&decoder.decode(&payload(length))), "{length:x?}");
    }
}

#[test]
fn text_that_is_no_utf8_and_ids_that_are_no_uuids_are_refused_without_being_quoted() {
    let decoder = written_with("ExecutionCancelled", r#"{"name": "reason", "type": "string"}"#);
    assert!(is_datum_error(&decoder.decode(&payload(&[4, 0xff, 0xfe]))));
    let mut other_id = payload(&text("why"));
    other_id[6..14].copy_from_slice(b"SECRET!!");
    let refused = decoder.decode(&other_id);
    assert!(is_datum_error(&refused));
    assert!(!refused.unwrap_err().to_string().contains("SECRET"));
}

#[test]
fn an_int_that_does_not_fit_and_an_index_out_of_range_are_refused() {
    let decoder = written_with(
        "ToolUsed",
        r#"{"name": "step", "type": "int"}, {"name": "tool", "type": ["null", "string"]},
           {"name": "output_bytes", "type": "long"}"#,
    );
    assert!(decoder.decode(&payload(&[2, 0, 2])).is_ok());
    assert!(is_datum_error(&decoder.decode(&payload(&[0x80, 0x80, 0x80, 0x80, 0x20, 0, 2]))));
    for index in [4, 3] {
        assert!(is_datum_error(&decoder.decode(&payload(&[2, index, 2]))));
    }
}

#[test]
fn a_payload_longer_than_any_event_is_refused_before_it_is_read() {
    let long = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert!(matches!(encoder().decoder().decode(&long), Err(DecodeError::TooLong { .. })));
    let mut event = ExecutionCancelled {
        execution_id: "018f3f5e-0000-7000-8000-000000000001".parse().unwrap(),
        occurred_at: events::Timestamp::default(),
        reason: "x".repeat(PAYLOAD_BYTES_MAX),
        cancelled_by: None,
    };
    assert!(matches!(encoder().encode(&event.clone().into()), Err(crate::EncodeError::TooLong { .. })));
    event.reason.truncate(PAYLOAD_BYTES_MAX - 100);
    assert!(encoder().encode(&event.into()).is_ok());
}

#[test]
fn a_datum_as_deep_as_its_length_is_refused() {
    let decoder = written_with(
        "ExecutionCancelled",
        r#"{"name": "reason", "type": "string"}, {"name": "cause", "type": ["null", {
            "type": "record", "name": "Cause", "fields": [{"name": "cause", "type": ["null", "Cause"]}]}]}"#,
    );
    let nested = |levels: usize| payload(&[text("why"), vec![2; levels], vec![0]].concat());
    assert!(decoder.decode(&nested(3)).is_ok());
    assert!(is_datum_error(&decoder.decode(&nested(2000))));
    assert!(is_datum_error(&decoder.decode(&nested(400_000))));
}

#[test]
fn a_list_of_more_items_than_bytes_is_refused() {
    let decoder = written_with(
        "ExecutionCancelled",
        r#"{"name": "reason", "type": "string"},
           {"name": "notes", "type": {"type": "array", "items": ["null", "string"]}}"#,
    );
    let list = |head: &[u8]| payload(&[&text("why"), head].concat());
    assert!(decoder.decode(&list(&[4, 0, 0, 0])).is_ok());
    assert!(is_datum_error(&decoder.decode(&list(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 0]))));
    // A block that says how many bytes it has, and lies.
    assert!(is_datum_error(&decoder.decode(&list(&[3, 200, 1, 0, 0]))));
    assert!(is_datum_error(&decoder.decode(&list(&[3, 1, 0]))));
}

#[test]
fn a_schema_of_something_else_is_refused_by_name() {
    for record in ["ExecutionPaused", "executioncancelled"] {
        let decoder = written_with(record, r#"{"name": "reason", "type": "string"}"#);
        let refused = decoder.decode(&payload(&text("why"))).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("schema 7 is of agents.execution.{record}, which is no execution event")
        );
        assert_eq!(refused.fault(), Fault::Poison);
    }
    let other_namespace = r#"{"type": "record", "name": "ExecutionCancelled", "namespace": "agents.workflow",
        "fields": [{"name": "reason", "type": "string"}]}"#;
    let decoder = Decoder::<ExecutionEvent>::with_schemas([(7, other_namespace)]).unwrap();
    assert!(matches!(decoder.decode(&payload(&[])), Err(DecodeError::ForeignRecord { .. })));
}

#[test]
fn an_older_writer_leaves_optional_fields_empty() {
    let decoder = written_with("ExecutionCancelled", r#"{"name": "reason", "type": "string"}"#);
    let Ok(ExecutionEvent::Cancelled(event)) = decoder.decode(&payload(&text("why"))) else { panic!() };
    assert_eq!((event.reason.as_str(), event.cancelled_by), ("why", None));
}

#[test]
fn a_writer_that_lacks_a_required_field_is_refused() {
    let decoder = written_with("ExecutionCancelled", r#"{"name": "cause", "type": "string"}"#);
    let refused = decoder.decode(&payload(&text("why")));
    assert!(is_datum_error(&refused));
    assert!(refused.unwrap_err().to_string().contains("missing field `reason`"));
}

#[test]
fn a_newer_writer_may_add_and_reorder_fields() {
    let decoder = written_with(
        "ToolUsed",
        r#"{"name": "output_bytes", "type": "int"}, {"name": "tags", "type": {"type": "map", "values": "string"}},
           {"name": "tool", "type": "string"}, {"name": "step", "type": "int"}"#,
    );
    let rest = [vec![10, 2], text("k"), text("v"), vec![0], text("grep"), vec![6]].concat();
    let Ok(ExecutionEvent::ToolUsed(ToolUsed { step, tool, output_bytes, .. })) =
        decoder.decode(&payload(&rest))
    else {
        panic!()
    };
    assert_eq!((step, tool.as_deref(), output_bytes), (3, Some("grep"), 5));
}

#[test]
fn a_verdict_newer_than_this_program_is_unknown_to_it() {
    let decoder = written_with(
        "ExecutionJudged",
        r#"{"name": "judge", "type": "string"}, {"name": "verdict", "type": {"type": "enum", "name": "Verdict",
            "symbols": ["UNKNOWN", "RESOLVED", "UNRESOLVED", "PARTLY_RESOLVED"], "default": "UNKNOWN"}}"#,
    );
    let judged = |index| decoder.decode(&payload(&[text("j"), vec![index]].concat()));
    let Ok(ExecutionEvent::Judged(ExecutionJudged { verdict, .. })) = judged(6) else { panic!() };
    assert_eq!(verdict, Verdict::Unknown);
    assert!(is_datum_error(&judged(8)));
}
