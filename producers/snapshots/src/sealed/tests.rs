use aggregate::{Aggregate, Snapshot};
use events::{EventId, ExecutionEvent};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;

/// A state of texts; nothing ever happens to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Notes(Vec<String>);

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;

impl Aggregate for Notes {
    type Command = ();
    type Event = ExecutionEvent;
    type Rejection = No;
    fn decide(&self, (): ()) -> Result<Vec<ExecutionEvent>, No> {
        Err(No)
    }
    fn evolve(self, _: &ExecutionEvent) -> Self {
        self
    }
}

impl Snapshot for Notes {
    const SHAPE: u32 = 3;
}

fn sealed(notes: &Notes) -> Sealed {
    Sealed::seal(notes, 7, EventId(Uuid::from_u128(9))).unwrap()
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_as_it_was(texts: Vec<String>) {
        let notes = Notes(texts);
        prop_assert_eq!(sealed(&notes).open::<Notes>().unwrap(), notes);
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(texts in prop::collection::vec(".{0,40}", 1..9), at: prop::sample::Index, bit in 0..8_u8) {
        let mut sealed = sealed(&Notes(texts));
        let at = at.index(sealed.state.len());
        sealed.state[at] ^= 1 << bit;
        prop_assert!(matches!(sealed.open::<Notes>(), Err(OpenError::Checksum)));
    }

    #[test]
    fn no_bytes_make_it_panic(state: Vec<u8>, state_bytes: u32) {
        let mut sealed = Sealed { state, state_bytes, ..sealed(&Notes::default()) };
        sealed.checksum = sealed.checksum();
        prop_assert!(matches!(sealed.open::<Notes>(), Err(OpenError::Unreadable(_))));
    }
}

#[test]
fn a_snapshot_counts_for_its_own_version_and_event_only() {
    let good = sealed(&Notes(vec!["a".into()]));
    let other_event = EventId(Uuid::from_u128(8));
    for moved in [Sealed { version: 8, ..good.clone() }, Sealed { event_id: other_event, ..good.clone() }] {
        assert!(matches!(moved.open::<Notes>(), Err(OpenError::Checksum)), "{moved:?}");
    }
    let old = Sealed { shape: 2, ..good };
    assert!(matches!(old.open::<Notes>(), Err(OpenError::OtherShape { found: 2, wanted: 3 })));
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut bomb = sealed(&Notes::default());
    bomb.state = zstd::bulk::compress(&vec![b' '; 4 * STATE_BYTES_MAX], 19).unwrap();
    bomb.state_bytes = u32::MAX;
    bomb.checksum = bomb.checksum();
    let refused = bomb.open::<Notes>().unwrap_err();
    assert!(refused.to_string().contains(&format!("{} bytes instead of", STATE_BYTES_MAX + 1)), "{refused}");
}

#[test]
fn a_state_that_is_too_large_is_refused_by_its_size() {
    let refused =
        Sealed::seal(&Notes(vec!["x".repeat(STATE_BYTES_MAX)]), 1, EventId(Uuid::nil())).unwrap_err();
    assert!(matches!(refused, SealError::TooLarge { bytes } if bytes == STATE_BYTES_MAX + 4), "{refused}");
}
