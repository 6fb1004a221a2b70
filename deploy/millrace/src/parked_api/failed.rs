//! What an error means for who asked.

use dead_letters::Error;
use http_api::problem::{Kind, Problem};
use http_api::unavailable;
use kafka::{Classify, Fault};

use crate::parked::NoProjection;
use crate::parked::repair::NotRepairable;

/// An error as a problem; what is inside stays in the log.
pub(super) fn failed(error: impl Into<anyhow::Error>) -> Problem {
    let error = error.into();
    if let Some(no) = error.downcast_ref::<NoProjection>() {
        return Problem::new(Kind::NotFound, no.to_string()).with("parameter", "projection");
    }
    if let Some(no) = error.downcast_ref::<NotRepairable>() {
        return Problem::new(Kind::NotRepairable, no.to_string());
    }
    let known = error.downcast_ref::<Error>();
    let kind = match known {
        Some(Error::NotParked { .. } | Error::NoRequest { .. }) => Some(Kind::NotFound),
        Some(Error::Busy { .. }) => Some(Kind::KeyBusy),
        Some(Error::Exhausted { .. }) => Some(Kind::KeyExhausted),
        Some(Error::NoProjection | Error::Nobody | Error::Unreasoned) => Some(Kind::InvalidRequest),
        Some(Error::Sql { .. }) | None => None,
    };
    if let Some(kind) = kind {
        return Problem::new(kind, error.to_string());
    }
    tracing::warn!("parked keys were not shown or asked for: {error:#}");
    match known.map(Classify::fault) {
        Some(Fault::Poison | Fault::Fatal) => Problem::new(Kind::Internal, "the request could not be served"),
        _ => unavailable("the views, the events or the registry do not answer just now"),
    }
}
