use proptest::prelude::*;

use events::ExecutionEvent;

use super::*;
use crate::examples::cancelled;

type Pairs = Vec<(&'static str, String)>;

fn recorded() -> Recorded<ExecutionEvent> {
    let payload = cancelled();
    Recorded {
        tenant: "acme".parse().unwrap(),
        aggregate_id: payload.aggregate_id(),
        version: 4,
        event_id: "0197d3a0-5b1c-7e3d-8f42-9c0a1b2c3d4e".parse().unwrap(),
        recorded_at: "2026-11-21T03:46:20Z".parse().unwrap(),
        metadata: Metadata {
            correlation_id: Some("order 66".into()),
            causation_id: None,
            actor: None,
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        },
        payload,
    }
}

fn key() -> String {
    recorded().aggregate_id.to_string()
}

fn pairs() -> Pairs {
    EventHeaders::of(&recorded(), "/millrace/agents").pairs()
}

fn parse<'a>(pairs: &'a [(&'static str, String)]) -> Result<EventHeaders<'a>, HeaderError> {
    EventHeaders::parse(pairs.iter().map(|(name, value)| (*name, Some(value.as_bytes()))))
}

fn with(name: &str, value: &str) -> Pairs {
    let put = |(n, v): (&'static str, String)| if n == name { (n, value.to_owned()) } else { (n, v) };
    pairs().into_iter().map(put).collect()
}

#[test]
fn headers_and_payload_make_the_event_that_was_recorded() {
    let pairs = pairs();
    let headers = parse(&pairs).unwrap();
    assert_eq!(headers.source, "/millrace/agents");
    assert_eq!(headers.into_recorded(Some(key().as_bytes()), cancelled()), Ok(recorded()));
}

#[test]
fn each_required_header_is_missed_by_name() {
    let required = 9;
    for (index, (name, _)) in pairs().into_iter().enumerate().take(required) {
        let mut pairs = pairs();
        pairs.remove(index);
        assert_eq!(parse(&pairs), Err(HeaderError::Missing(name)));
    }
}

#[test]
fn an_optional_header_may_be_absent_or_null() {
    let mut given: Vec<_> = pairs().into_iter().map(|(n, v)| (n, Some(v))).collect();
    given.retain(|(name, _)| *name != "traceparent");
    for (name, value) in &mut given {
        if *name == "correlationid" {
            *value = None;
        }
    }
    given.push(("causationid", None));
    let headers = EventHeaders::parse(given.iter().map(|(n, v)| (*n, v.as_ref().map(String::as_bytes))));
    let headers = headers.unwrap();
    assert_eq!((headers.correlation_id, headers.causation_id, headers.traceparent), (None, None, None));
}

#[test]
fn optional_texts_may_be_empty_or_long() {
    for text in [String::new(), "x".repeat(100_000)] {
        assert_eq!(parse(&with("correlationid", &text)).unwrap().correlation_id, Some(&*text));
    }
}

#[test]
fn strange_headers_are_left_alone() {
    let mut pairs = pairs();
    pairs.push(("retry-count", "99".into()));
    pairs.push(("CE_ID", "not ours".into()));
    assert_eq!(parse(&pairs).unwrap(), EventHeaders::of(&recorded(), "/millrace/agents"));
}

#[test]
fn a_header_said_twice_is_refused() {
    let mut pairs = pairs();
    pairs.push(("ce_id", pairs[1].1.clone()));
    assert_eq!(parse(&pairs), Err(HeaderError::Twice("ce_id")));
}

#[test]
fn a_bad_value_is_named_with_its_header() {
    for (name, value) in [
        ("ce_specversion", "0.3"),
        ("ce_id", "42"),
        ("ce_id", "0197D3A0-5B1C-7E3D-8F42-9C0A1B2C3D4E"),
        ("ce_id", "0197d3a05b1c7e3d8f429c0a1b2c3d4e"),
        ("ce_subject", "urn:uuid:018f3f5e-0000-7000-8000-000000000001"),
        ("ce_time", "1795232779124788"),
        ("ce_time", "2026-11-21T03:46:19.1247880Z"),
        ("recordedtime", "2026-11-21 03:46:19"),
        ("aggregateversion", "0"),
        ("aggregateversion", "-1"),
        ("aggregateversion", "+1"),
        ("aggregateversion", "01"),
        ("aggregateversion", "9223372036854775808"),
        ("tenant", "ACME"),
        ("tenant", ""),
        ("ce_type", ""),
    ] {
        match parse(&with(name, value)) {
            Err(HeaderError::Invalid { name: found, value: shown, .. }) => {
                assert_eq!((found, shown), (name, format!("{value:?}")));
            }
            other => panic!("{name}={value} gave {other:?}"),
        }
    }
}

#[test]
fn a_long_or_garbled_value_is_shown_short_and_escaped() {
    let long = "x\n".repeat(10_000);
    let HeaderError::Invalid { value, .. } = parse(&with("tenant", &long)).unwrap_err() else { panic!() };
    assert!(value.len() < 120 && !value.contains('\n'), "{value}");
    let garbled: &[u8] = &[0xff, 0x1b];
    let pairs = pairs();
    let given = pairs.iter().map(|(n, v)| (*n, Some(if *n == "ce_type" { garbled } else { v.as_bytes() })));
    assert!(matches!(EventHeaders::parse(given), Err(HeaderError::Invalid { name: "ce_type", .. })));
}

#[test]
fn headers_that_contradict_the_payload_are_refused() {
    let other = "018f3f5e-0000-7000-8000-000000000002";
    let agrees = |pairs: Pairs, key: Option<&str>| {
        parse(&pairs).unwrap().into_recorded(key.map(str::as_bytes), cancelled())
    };
    let contradiction = |result: Result<_, HeaderError>| match result.unwrap_err() {
        HeaderError::Contradiction { name, .. } => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(contradiction(agrees(pairs(), None)), "the key");
    assert_eq!(contradiction(agrees(pairs(), Some(other))), "the key");
    assert_eq!(contradiction(agrees(with("ce_subject", other), Some(&key()))), "ce_subject");
    assert_eq!(contradiction(agrees(with("ce_type", "ExecutionJudged"), Some(&key()))), "ce_type");
    assert_eq!(
        contradiction(agrees(with("ce_time", "2026-11-21T03:46:19.124787Z"), Some(&key()))),
        "ce_time"
    );
}

proptest! {
    #[test]
    fn no_headers_make_it_panic(values in proptest::collection::vec(any::<Option<Vec<u8>>>(), 12)) {
        let given = NAMES.into_iter().zip(values.iter().map(Option::as_deref));
        prop_assert!(EventHeaders::parse(given).is_err());
    }

    #[test]
    fn times_and_versions_survive_the_headers(at: i32, micros in 0_i64..1_000_000, version in 1_u64..=i64::MAX as u64) {
        let mut event = recorded();
        event.version = version;
        event.recorded_at = Timestamp::from_micros(i64::from(at) * 1_000_000 + micros);
        let headers = EventHeaders::of(&event, "/millrace/agents");
        let pairs = headers.pairs();
        prop_assert_eq!(parse(&pairs), Ok(headers));
    }
}
