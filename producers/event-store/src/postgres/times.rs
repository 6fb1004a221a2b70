//! Moments as the driver wants them.

use chrono::{DateTime, Utc};
use events::Timestamp;

/// The same moment; one beyond what the driver can say becomes its first or last.
pub(super) fn datetime(at: Timestamp) -> DateTime<Utc> {
    let beyond = if at.micros() < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp_micros(at.micros()).unwrap_or(beyond)
}

/// The same moment.
pub(super) fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from_micros(at.timestamp_micros())
}
