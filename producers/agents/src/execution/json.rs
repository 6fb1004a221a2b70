//! Commands as people and other programs write them.

use serde_json::{Value, json};

use super::{ExecutionCommand, Rejection};
use crate::Unacceptable;

fn cancel() -> Value {
    json!({
        "type": "CancelExecution",
        "execution_id": "018f3f5e-0000-7000-8000-000000000001",
        "occurred_at": "2026-11-21T03:46:19.5Z",
        "reason": "too dear",
    })
}

fn with(field: &str, value: Value) -> Result<ExecutionCommand, String> {
    let mut json = cancel();
    json[field] = value;
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[test]
fn an_optional_field_may_be_left_out_and_a_time_is_text() {
    let command: ExecutionCommand = serde_json::from_value(cancel()).unwrap();
    let ExecutionCommand::CancelExecution(cancel) = command else { panic!("{command:?}") };
    assert_eq!((cancel.occurred_at.micros(), cancel.cancelled_by), (1_795_232_779_500_000, None));
}

#[test]
fn what_is_no_command_is_refused_by_name() {
    for (field, value, reason) in [
        ("type", json!("PauseExecution"), "unknown variant `PauseExecution`"),
        ("type", json!(7), "invalid type"),
        ("why", json!("x"), "unknown field `why`"),
        ("reason", json!(7), "invalid type: integer `7`"),
        ("reason", Value::Null, "invalid type: null"),
        ("occurred_at", json!(1_795_232_779_500_000_i64), "invalid type"),
        ("occurred_at", json!("2026-11-21T03:46:19+01:00"), "is not a UTC time"),
        ("occurred_at", json!("2026-12-31T23:59:60Z"), "is not a UTC time"),
        ("execution_id", json!("018F3F5E-0000-7000-8000-000000000001"), "a UUID as 36 hyphenated characters"),
        ("execution_id", json!("execution-1"), "a UUID as 36 hyphenated characters"),
    ] {
        let refused = with(field, value.clone()).expect_err("it is no command");
        assert!(refused.contains(reason), "{field} = {value}: {refused}");
    }
}

#[test]
fn a_field_given_twice_is_refused() {
    let twice = cancel().to_string().replacen('{', r#"{"reason": "another", "#, 1);
    let refused = serde_json::from_str::<ExecutionCommand>(&twice).expect_err("which of both?");
    assert!(refused.to_string().contains("duplicate field `reason`"), "{refused}");
    let twice = cancel().to_string().replacen('{', r#"{"type": "FailExecution", "#, 1);
    assert!(serde_json::from_str::<ExecutionCommand>(&twice).is_err());
}

#[test]
fn a_rejection_names_itself_and_the_field() {
    let rejection = Rejection::StepOutOfOrder { expected: 1, found: 2 };
    assert_eq!(
        serde_json::to_value(rejection).unwrap(),
        json!({"type": "StepOutOfOrder", "expected": 1, "found": 2})
    );
    let rejection = Rejection::from(Unacceptable::BadText { field: "reason", problem: "is blank" });
    assert_eq!(
        serde_json::to_value(rejection).unwrap(),
        json!({"type": "BadText", "field": "reason", "problem": "is blank"})
    );
}
