//! What an error of the database means: the constraints' names are the vocabulary.

use events::AggregateId;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::{AppendError, Invalid, StoreError};

/// Names what was being done when a statement failed.
pub(super) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { what, source })
    }
}

/// Why an append failed.
pub(super) fn append_error(error: sqlx::Error) -> AppendError {
    const WHAT: &str = "append events";
    let refusal = match &error {
        sqlx::Error::Database(refusal) if !is_broken(&error) => refusal,
        _ => return AppendError::Unknown(StoreError::Database { what: WHAT, source: error }),
    };
    match (refusal.constraint(), refusal.code().as_deref()) {
        (Some("event_store_aggregate_version_key"), _) => AppendError::Taken,
        (Some("event_store_event_id_key"), _) => Invalid::Refused("an event id is taken".into()).into(),
        (Some("event_store_aggregate_type_stays"), _) => AppendError::OtherType(refusal.message().into()),
        (Some(_), _) => Invalid::Refused(refusal.message().into()).into(),
        (None, Some("23514")) if is_about_outbox(&**refusal) => {
            AppendError::Store(StoreError::NoPartition(error))
        }
        // Data exceptions, such as a NUL in a text.
        (None, Some(code)) if code.starts_with("22") => Invalid::Refused(refusal.message().into()).into(),
        _ => AppendError::Store(StoreError::Database { what: WHAT, source: error }),
    }
}

/// Why an aggregate was not loaded.
pub(super) fn load_error(aggregate_id: AggregateId, what: &'static str, error: sqlx::Error) -> StoreError {
    let refused = error.as_database_error().and_then(|refusal| refused_load(aggregate_id, refusal));
    refused.unwrap_or(StoreError::Database { what, source: error })
}

/// What `refuse_archived` and `refuse_withdrawn` say, and of which versions in the detail.
fn refused_load(aggregate_id: AggregateId, refusal: &dyn DatabaseError) -> Option<StoreError> {
    let detail = || refusal.try_downcast_ref::<PgDatabaseError>()?.detail();
    match refusal.constraint()? {
        "event_store_is_archived" => {
            let (from, through) = detail()?.split_once(' ')?;
            let (from_version, through_version) = (from.parse().ok()?, through.parse().ok()?);
            Some(StoreError::Archived { aggregate_id, from_version, through_version })
        }
        "event_store_is_withdrawn" => {
            Some(StoreError::Withdrawn { aggregate_id, through_version: detail()?.parse().ok()? })
        }
        _ => None,
    }
}

/// Whether the connection is gone, and with it any answer. A server that is told to stop says so first (57P01).
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refusal) => {
            matches!(refusal.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
        }
        _ => true,
    }
}

/// A row that fits no partition breaks a check without a name.
fn is_about_outbox(refusal: &dyn DatabaseError) -> bool {
    refusal.table() == Some("outbox")
}
