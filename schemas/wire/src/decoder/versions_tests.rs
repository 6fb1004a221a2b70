//! Events of older and of newer versions than this program writes.

use events::prompt::PromptVersionAdded;
use events::{DomainEvent, PromptEvent, Timestamp};

use super::*;
use crate::{EncodeError, Encoder};

/// The schema of the added version, newest last.
fn history() -> &'static [&'static str] {
    PromptEvent::TYPES.iter().find(|t| t.name == "PromptVersionAdded").unwrap().history
}

/// A payload of schema 7: the two shared fields, version 3, a text, and `rest`.
fn payload(rest: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 0, 0, 0, 7, 72];
    payload.extend_from_slice(b"018f3f5e-0000-7000-8000-000000000001");
    payload.extend_from_slice(&[2, 6, 8]);
    payload.extend_from_slice(b"text");
    payload.extend_from_slice(rest);
    payload
}

fn some(text: &str) -> Vec<u8> {
    [&[2, u8::try_from(text.len() * 2).unwrap()], text.as_bytes()].concat()
}

fn decode(schema: &str, rest: &[Vec<u8>]) -> PromptVersionAdded {
    let decoder = Decoder::<PromptEvent>::with_schemas([(7, schema)]).unwrap();
    match decoder.decode(&payload(&rest.concat())).unwrap() {
        PromptEvent::VersionAdded(added) => added,
        other => panic!("{other:?}"),
    }
}

fn added() -> PromptVersionAdded {
    PromptVersionAdded {
        prompt_id: "018f3f5e-0000-7000-8000-000000000001".parse().unwrap(),
        occurred_at: Timestamp::from_micros(1),
        prompt_version: 3,
        text: "text".into(),
        model_provider: Some("google".into()),
        model_name: Some("gemini/3".into()),
        temperature_milli: Some(700),
        note: None,
        added_by: Some("ada".into()),
    }
}

#[test]
fn an_event_of_every_older_version_is_what_it_meant_then() {
    let [one, two, three] = history() else { panic!("{} versions", history().len()) };
    let percent = || vec![2, 0x8c, 0x01]; // 70
    let split = || [some("google"), some("gemini/3")].concat();
    assert_eq!(decode(one, &[some("google/gemini/3"), percent(), vec![0], some("ada")]), added());
    assert_eq!(decode(two, &[split(), percent(), vec![0], some("ada")]), added());
    assert_eq!(decode(three, &[split(), vec![2, 0xf8, 0x0a], vec![0], some("ada")]), added());
    let unsaid = PromptVersionAdded {
        model_provider: None,
        model_name: None,
        temperature_milli: None,
        added_by: None,
        ..added()
    };
    for schema in history() {
        let optional = schema.matches("[\"null\"").count();
        assert_eq!(decode(schema, &[vec![0; optional]]), unsaid);
    }
    let no_provider = PromptVersionAdded { model_name: Some("gemini".into()), ..unsaid };
    assert_eq!(decode(one, &[some("gemini"), vec![0; 3]]), no_provider);
}

#[test]
fn a_registry_that_spells_a_schema_anew_does_not_hide_its_version() {
    let one = history()[0].replace('\n', "").replace("  ", "").replace(r#""personal": true"#, r#""x": 1"#);
    let percent = vec![2, 0x8c, 0x01];
    assert_eq!(decode(&one, &[some("google/gemini/3"), percent, vec![0], some("ada")]), added());
}

#[test]
fn a_writer_newer_than_this_program_is_read_as_the_newest_it_knows() {
    let newer = history()[2].replacen(
        r#"{
      "name": "note","#,
        r#"{"name": "top_k", "doc": "Version 4.", "type": ["null", "int"], "default": null},
    {
      "name": "note","#,
        1,
    );
    assert!(newer.contains("top_k"));
    let rest = [some("google"), some("gemini/3"), vec![2, 0xf8, 0x0a], vec![2, 80], vec![0], some("ada")];
    assert_eq!(decode(&newer, &rest), added());
}

#[test]
fn an_event_is_lifted_and_never_lowered() {
    let encoder = Encoder::<PromptEvent>::with_ids(100).unwrap();
    let event = PromptEvent::from(added());
    assert_eq!(encoder.encode_as(&event, 3).unwrap(), encoder.encode(&event).unwrap());
    for version in [0, 1, 2, 4] {
        let refused = encoder.encode_as(&event, version).unwrap_err();
        let expected =
            EncodeError::OtherVersion { event_type: "PromptVersionAdded", asked: version, newest: 3 };
        assert_eq!(refused, expected);
        assert!(refused.to_string().contains(&format!("version {version}")), "{refused}");
    }
}
