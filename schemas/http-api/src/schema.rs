//! What APIs describe themselves with, as JSON Schemas.

use serde_json::{Value, json};

use crate::problem::{Kind, Problem};

/// An id.
pub fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid", "pattern": "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$" })
}

/// Every problem there can be, as a JSON Schema.
pub fn problem() -> Value {
    let types: Vec<_> = Kind::ALL.iter().map(|kind| format!("/problems/{}", kind.slug())).collect();
    let titles: Vec<_> = Kind::ALL.iter().map(|kind| kind.title()).collect();
    let version = json!({ "type": "integer", "format": "int64", "minimum": 0 });
    let event = json!({
        "type": "object", "required": ["version", "event_id", "event_type", "occurred_at"], "additionalProperties": false,
        "properties": {
            "version": version, "event_id": uuid(), "event_type": { "type": "string" },
            "occurred_at": { "type": "string", "format": "date-time" },
        },
    });
    json!({
        "type": "object", "required": ["type", "title", "status", "detail", "correlation_id"], "additionalProperties": false,
        "description": "What went wrong (RFC 9457). The members after the first five are there where they say something.",
        "properties": {
            "type": { "type": "string", "enum": types, "description": "What it is; a page of this API explains it." },
            "title": { "type": "string", "enum": titles },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "This occurrence, for people." },
            "correlation_id": { "type": "string", "description": "The request, as the log knows it." },
            "field": { "type": "string", "format": "json-pointer", "description": "The part of the body that is to blame." },
            "parameter": { "type": "string", "description": "The header, path or query parameter that is to blame." },
            "rejection": {
                "type": "object", "required": ["type"], "properties": { "type": { "type": "string" } },
                "description": "The rule that says no, by its name in the domain, with what it has to say.",
            },
            "through_version": version,
            "conflicts": { "type": "array", "items": {
                "type": "object", "required": ["aggregate_id", "expected", "actual", "events"], "additionalProperties": false,
                "properties": {
                    "aggregate_id": uuid(),
                    "expected": { "type": ["integer", "null"], "minimum": 0 },
                    "actual": version,
                    "events": { "type": "array", "items": event, "description": "What the sender did not know, at most 100." },
                },
            }},
        },
        "examples": [Problem::new(Kind::InvalidCommand, "missing field `reason`").at("/reason").document("order-66")],
    })
}
