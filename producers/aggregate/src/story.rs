//! Given this past, when this is asked, then that happens.

use std::fmt::Debug;

use crate::Aggregate;
use crate::diff::diff;

/// A past.
#[derive(Debug)]
pub struct Given<A: Aggregate> {
    history: Vec<A::Event>,
}

/// What an aggregate with that past answered.
#[derive(Debug)]
pub struct Decided<A: Aggregate> {
    history: Vec<A::Event>,
    answer: Result<Vec<A::Event>, A::Rejection>,
}

/// Starts a story with what happened before.
pub fn given<A: Aggregate>(history: impl IntoIterator<Item = A::Event>) -> Given<A> {
    Given { history: history.into_iter().collect() }
}

impl<A: Aggregate> Given<A> {
    /// What is asked now.
    pub fn when(self, command: impl Into<A::Command>) -> Decided<A> {
        let answer = A::replay(&self.history).decide(command.into());
        Decided { history: self.history, answer }
    }
}

impl<A: Aggregate> Decided<A> {
    /// Exactly these events happen.
    ///
    /// # Panics
    ///
    /// With the differing lines, when others happen or the command is rejected.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> Self {
        let expected: Vec<_> = expected.into_iter().collect();
        match &self.answer {
            Ok(events) if *events == expected => self,
            Ok(events) => panic!("other events than told:\n{}", diff(&expected, events)),
            Err(rejection) => panic!("rejected ({rejection}), but should lead to {expected:#?}"),
        }
    }

    /// Nothing happens, and that is no mistake: the command repeats what is known.
    ///
    /// # Panics
    ///
    /// When something happens.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then([])
    }

    /// The rules say no, for exactly this reason.
    ///
    /// # Panics
    ///
    /// When they say yes, or no for another reason.
    #[track_caller]
    pub fn rejected(self, expected: impl Into<A::Rejection>)
    where
        A::Rejection: PartialEq + Debug,
    {
        let expected = expected.into();
        match self.answer {
            Err(rejection) if rejection == expected => {}
            Err(rejection) => panic!("rejected for another reason:\n{}", diff(&expected, &rejection)),
            Ok(events) => panic!("accepted with {events:#?}, but should be rejected: {expected:?}"),
        }
    }

    /// The state after the past and what was just decided.
    ///
    /// # Panics
    ///
    /// When the command was rejected.
    #[track_caller]
    pub fn state(self) -> A {
        match self.answer {
            Ok(events) => A::replay(self.history.iter().chain(&events)),
            Err(rejection) => panic!("rejected ({rejection}), so there is no state after it"),
        }
    }
}

#[cfg(test)]
mod tests;
