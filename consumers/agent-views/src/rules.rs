//! What cannot be, whatever the view: each check refuses with its reason.

use events::NanoUsd;
use projection::Refusal;

use crate::Status;

/// The view of a started execution.
pub(crate) fn started<V>(view: Option<V>, event: &str) -> Result<V, Refusal> {
    view.ok_or_else(|| Refusal::new(format!("{event}, but the execution has not started")))
}

/// Work goes on only while the execution runs.
pub(crate) fn running(status: Status, event: &str) -> Result<(), Refusal> {
    match status {
        Status::Running => Ok(()),
        ended => Err(Refusal::new(format!("{event}, but the execution is over: {ended}"))),
    }
}

/// Only completed work is judged, and once.
pub(crate) fn judgeable(status: Status, judged: bool, event: &str) -> Result<(), Refusal> {
    match status {
        Status::Completed if judged => {
            Err(Refusal::new(format!("{event}, but the execution is judged already")))
        }
        Status::Completed => Ok(()),
        other => Err(Refusal::new(format!("{event}, but the execution is {other}, not completed"))),
    }
}

/// A model call is the next one; a tool use belongs to the last one.
pub(crate) fn step(expected: i64, found: i32, event: &str) -> Result<(), Refusal> {
    if i64::from(found) == expected {
        return Ok(());
    }
    Err(Refusal::new(format!("{event} at step {found}, but step {expected} was expected")))
}

/// `total` grown by an amount that is not negative.
pub(crate) fn grow(total: &mut i64, amount: i64, field: &str) -> Result<(), Refusal> {
    if amount < 0 {
        return Err(Refusal::new(format!("{field} is negative: {amount}")));
    }
    *total = total
        .checked_add(amount)
        .ok_or_else(|| Refusal::new(format!("{field} overflows: {total} + {amount}")))?;
    Ok(())
}

/// An amount of money that is not negative, in nano-USD.
pub(crate) fn cost(amount: NanoUsd, field: &str) -> Result<i64, Refusal> {
    let mut nanos = 0;
    grow(&mut nanos, amount.nanos(), field)?;
    Ok(nanos)
}
