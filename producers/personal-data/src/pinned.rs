//! Sealed texts away from their events: they carry where they belong, so that they open there and nowhere else.
//!
//! A state folds texts of many events, and a snapshot keeps it. A text that is pinned before it is folded can stay sealed
//! in the snapshot: `<sealed text>@<event id>/<field>`.

use events::{AggregateId, EventId, TenantId};

use crate::seal::Sealed;
use crate::{ERASED, Error, Keyring, Place, is_sealed};

/// Adds to a sealed text which field of which event it is; another text stays as it is.
pub fn pin(event_id: EventId, field: &str, text: &mut String) {
    if is_sealed(text) {
        *text = format!("{text}@{event_id}/{field}");
    }
}

/// The sealed text alone of one that is pinned; another text stays as it is.
pub fn unpin(text: &mut String) {
    if let Some(Pinned { sealed, .. }) = Pinned::parse(text) {
        text.truncate(sealed.len());
    }
}

struct Pinned<'a> {
    sealed: &'a str,
    event_id: EventId,
    field: &'a str,
}

impl<'a> Pinned<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (sealed, place) = text.split_once('@')?;
        let (event_id, field) = place.split_once('/')?;
        Some(Self { sealed: is_sealed(sealed).then_some(sealed)?, event_id: event_id.parse().ok()?, field })
    }
}

impl Keyring {
    /// Opens a pinned text of an aggregate in place; one that is not pinned stays, one whose key was destroyed reads
    /// [`ERASED`].
    pub async fn open_pinned(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        text: &mut String,
    ) -> Result<(), Error> {
        let Some(Pinned { sealed, event_id, field }) = Pinned::parse(text) else { return Ok(()) };
        let Some(sealed) = Sealed::parse(sealed) else { return Ok(()) };
        let place = Place { tenant, aggregate_id, event_id };
        *text = match self.key(tenant, sealed.key_id).await? {
            Some(key) => key.open(place, field, &sealed)?,
            None => ERASED.to_owned(),
        };
        Ok(())
    }
}
