//! A state as bytes that tell whether they are whole.

use std::io::Read;

use aggregate::Snapshot;
use events::EventId;
use sha2::{Digest, Sha256};

/// The most bytes of a state before it is compressed: beyond that folding is not what is slow.
pub const STATE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// zstd's fastest level that still halves a state of texts; a snapshot is read far more often than it is kept.
const LEVEL: i32 = 1;

/// An aggregate's state at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Of which shape the state is ([`Snapshot::SHAPE`]).
    pub shape: u32,
    /// The version whose event is the last that the state knows.
    pub version: u64,
    /// That event.
    pub event_id: EventId,
    /// The state as JSON, its personal texts sealed, compressed by zstd.
    pub state: Vec<u8>,
    /// How many bytes it has uncompressed.
    pub state_bytes: u32,
    /// SHA-256 over shape, version, event id and the compressed state.
    pub checksum: [u8; 32],
}

/// A state that cannot become a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It cannot be written.
    #[error("the state cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// It is too large.
    #[error("the state has {bytes} bytes; at most {STATE_BYTES_MAX} make a snapshot")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
    /// It cannot be compressed.
    #[error("the state cannot be compressed")]
    Compress(#[source] std::io::Error),
}

/// A snapshot that does not count.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Taken by a program whose state meant something else.
    #[error("the snapshot is of shape {found}, this program's state is of shape {wanted}")]
    OtherShape {
        /// The snapshot's.
        found: u32,
        /// The program's.
        wanted: u32,
    },
    /// Not what was written.
    #[error("the snapshot's bytes are not those it was sealed with")]
    Checksum,
    /// Whole, but no state.
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(String),
}

impl Sealed {
    /// The state at this version, sealed.
    pub fn seal<A: Snapshot>(state: &A, version: u64, event_id: EventId) -> Result<Self, SealError> {
        let json = serde_json::to_vec(state)?;
        let bytes = json.len();
        let state_bytes = u32::try_from(bytes).ok().filter(|_| bytes <= STATE_BYTES_MAX);
        let state_bytes = state_bytes.ok_or(SealError::TooLarge { bytes })?;
        let state = zstd::bulk::compress(&json, LEVEL).map_err(SealError::Compress)?;
        let mut sealed = Self { shape: A::SHAPE, version, event_id, state, state_bytes, checksum: [0; 32] };
        sealed.checksum = sealed.checksum();
        Ok(sealed)
    }

    /// The state, if these are its bytes.
    pub fn open<A: Snapshot>(&self) -> Result<A, OpenError> {
        let json = self.unpack::<A>()?;
        serde_json::from_slice(&json).map_err(|error| OpenError::Unreadable(error.to_string()))
    }

    /// The state as JSON, if these are its bytes.
    pub fn unpack<A: Snapshot>(&self) -> Result<Vec<u8>, OpenError> {
        if self.shape != A::SHAPE {
            return Err(OpenError::OtherShape { found: self.shape, wanted: A::SHAPE });
        }
        if self.checksum != self.checksum() {
            return Err(OpenError::Checksum);
        }
        let unreadable = |why: String| OpenError::Unreadable(why);
        let reader = zstd::Decoder::new(&*self.state).map_err(|e| unreadable(e.to_string()))?;
        let mut json = Vec::with_capacity((self.state_bytes as usize).min(STATE_BYTES_MAX));
        // One byte more than may be: a bomb is noticed before it is unpacked.
        let most = STATE_BYTES_MAX as u64 + 1;
        reader.take(most).read_to_end(&mut json).map_err(|e| unreadable(e.to_string()))?;
        if json.len() != self.state_bytes as usize {
            return Err(unreadable(format!("{} bytes instead of {}", json.len(), self.state_bytes)));
        }
        Ok(json)
    }

    fn checksum(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.shape.to_be_bytes());
        hasher.update(self.version.to_be_bytes());
        hasher.update(self.event_id.0.as_bytes());
        hasher.update(&self.state);
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests;
