//! Bytes that mean no good, for every event set and every version of its schemas.

use events::{DomainEvent, each_event_set};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::Encoder;
use crate::examples::{committed, every_version, examples, framed};

fn reads_back<E: DomainEvent>() {
    let encoder = Encoder::<E>::with_ids(100).unwrap();
    let decoder = encoder.decoder();
    for event in examples::<E>() {
        assert_eq!(decoder.decode(&encoder.encode(&event).unwrap()).unwrap(), event);
    }
}

#[test]
fn every_example_reads_back() {
    each_event_set!(E => { reads_back::<E>() });
}

fn is_refused_when_cut<E: DomainEvent>() {
    let (decoder, _) = every_version::<E>();
    for payload in committed::<E>() {
        let event = decoder.decode(&payload).unwrap();
        for end in 0..payload.len() {
            let cut = decoder.decode(&payload[..end]);
            match end {
                0..5 => assert!(matches!(cut, Err(DecodeError::TooShort { .. })), "{end} bytes of {event:?}"),
                _ => assert!(
                    matches!(&cut, Err(e @ DecodeError::Datum { .. }) if e.fault() == Fault::Poison),
                    "{end} bytes of {event:?} gave {cut:?}"
                ),
            }
        }
    }
}

#[test]
fn a_payload_cut_at_any_byte_is_refused() {
    each_event_set!(E => { is_refused_when_cut::<E>() });
}

fn is_refused_when_longer<E: DomainEvent>() {
    let (decoder, _) = every_version::<E>();
    for mut payload in committed::<E>() {
        payload.push(0);
        assert!(matches!(decoder.decode(&payload), Err(DecodeError::Trailing { bytes: 1, .. })));
    }
}

#[test]
fn bytes_after_the_event_are_refused() {
    each_event_set!(E => { is_refused_when_longer::<E>() });
}

fn is_another_when_changed<E: DomainEvent>() {
    let (decoder, _) = every_version::<E>();
    for payload in committed::<E>() {
        let event = decoder.decode(&payload).unwrap();
        for (at, bit) in (5..payload.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = payload.clone();
            changed[at] ^= 1 << bit;
            if let Ok(other) = decoder.decode(&changed) {
                assert_ne!(other, event, "bit {bit} of byte {at} makes no difference");
            }
        }
    }
}

#[test]
fn a_changed_bit_is_another_event_or_refused() {
    each_event_set!(E => { is_another_when_changed::<E>() });
}

/// What is accepted is an event like any other.
fn is_an_event_or_refused<E: DomainEvent>(decoder: &Decoder<E>, payload: &[u8]) {
    let Ok(event) = decoder.decode(payload) else { return };
    let encoder = Encoder::<E>::with_ids(100).unwrap();
    let again = encoder.encode(&event).unwrap();
    assert_eq!(encoder.decoder().decode(&again).unwrap(), event);
}

fn takes_bytes<E: DomainEvent>(datum: &[u8]) {
    let (decoder, ids) = every_version::<E>();
    for id in ids {
        is_an_event_or_refused(&decoder, &framed(id, datum));
    }
}

fn takes_splices<E: DomainEvent>(pick: Index, from: Index, to: Index, bytes: &[u8]) {
    let (decoder, payloads) = (every_version::<E>().0, committed::<E>());
    let mut payload = pick.get(&payloads).clone();
    let (from, to) = (from.index(payload.len()), to.index(payload.len()));
    payload.splice(from.min(to)..from.max(to), bytes.iter().copied());
    is_an_event_or_refused(&decoder, &payload);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(datum: Vec<u8>) {
        each_event_set!(E => { takes_bytes::<E>(&datum) });
    }

    #[test]
    fn no_bytes_within_an_event_make_it_panic(
        pick: Index,
        from: Index,
        to: Index,
        bytes in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        each_event_set!(E => { takes_splices::<E>(pick, from, to, &bytes) });
    }
}
