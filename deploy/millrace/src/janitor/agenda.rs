//! Which chore is next.

use std::time::{Duration, Instant};

/// What failed is tried again after this, or after its interval where that is shorter.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// When each chore is due; time is an argument. Everything is due at the start.
#[derive(Debug)]
pub(crate) struct Agenda(Vec<(Duration, Instant)>);

impl Agenda {
    pub(crate) fn new(every: Vec<Duration>, now: Instant) -> Self {
        Self(every.into_iter().map(|every| (every, now)).collect())
    }

    /// The chore that has been due for longest.
    pub(crate) fn due(&self, now: Instant) -> Option<usize> {
        let due = self.0.iter().enumerate().filter(|(_, (_, at))| *at <= now);
        due.min_by_key(|(_, (_, at))| *at).map(|(index, _)| index)
    }

    /// A chore ended now.
    pub(crate) fn done(&mut self, index: usize, now: Instant, went_well: bool) {
        let (every, at) = &mut self.0[index];
        *at = now + if went_well { *every } else { AGAIN_AFTER.min(*every) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chore_that_fails_keeps_no_other_from_its_turn() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut agenda = Agenda::new(vec![Duration::from_secs(600), Duration::from_secs(10)], start);
        assert_eq!(agenda.due(at(0)), Some(0));
        agenda.done(0, at(1), false);
        assert_eq!(agenda.due(at(1)), Some(1));
        agenda.done(1, at(2), true);
        assert_eq!(agenda.due(at(11)), None);
        assert_eq!(agenda.due(at(12)), Some(1));
        agenda.done(1, at(13), false);
        assert_eq!(agenda.due(at(22)), None, "what is due often is not tried again more often than that");
        // Both are due: the one that has waited longer comes first.
        assert_eq!(agenda.due(at(40)), Some(1));
        agenda.done(1, at(40), true);
        assert_eq!(agenda.due(at(40)), Some(0));
        agenda.done(0, at(41), true);
        assert_eq!(agenda.due(at(49)), None);
        assert_eq!(agenda.due(at(641)), Some(1));
    }
}
