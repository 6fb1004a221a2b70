//! Whether the guard, and what it guards, is ready.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::RUNBOOK;
use super::decide::{Alarm, Memory};

/// Older than this, a look tells nothing: the guard itself hangs.
const LOOK_AGE_MAX: Duration = Duration::from_secs(15);

/// What came of the last look, for whoever asks in between.
#[derive(Debug, Clone)]
pub(super) struct Verdict(Arc<Mutex<Found>>);

/// Why the guard, or what it guards, is not ready; and when that was found out.
#[derive(Debug)]
struct Found {
    at: Instant,
    not_ready: Option<String>,
}

impl Default for Verdict {
    fn default() -> Self {
        let found = Found { at: Instant::now(), not_ready: Some("it has not looked yet".to_owned()) };
        Self(Arc::new(Mutex::new(found)))
    }
}

impl Verdict {
    pub(super) fn set(&self, memory: &Memory) {
        if let Ok(mut found) = self.0.lock() {
            *found = Found { at: Instant::now(), not_ready: not_ready(memory) };
        }
    }

    /// The question as `/readyz` asks it.
    pub(super) fn asked(&self) -> service::Probe {
        let verdict = self.clone();
        Arc::new(move || verdict.readiness())
    }

    fn readiness(&self) -> Result<(), String> {
        let found = self.0.lock().map_err(|_| "the guard has crashed".to_owned())?;
        if found.at.elapsed() > LOOK_AGE_MAX {
            return Err(format!("the last look is {} s old", found.at.elapsed().as_secs()));
        }
        found.not_ready.clone().map_or(Ok(()), Err)
    }
}

/// What a person has to do something about.
fn not_ready(memory: &Memory) -> Option<String> {
    let loss = memory.loss.map(|loss| {
        let missing = memory.missing.map_or("unknown, not counted yet".to_owned(), |count| count.to_string());
        format!("topics may lack events since {loss}; missing when last counted: {missing}; see {RUNBOOK}")
    });
    let spent = memory.alarms.get(&Alarm::BudgetSpent).map(|why| format!("{why}; see {RUNBOOK}"));
    loss.or(spent)
}
