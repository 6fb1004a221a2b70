//! What holds for every aggregate of this domain, whatever its rules.

use std::fmt::Debug;

use aggregate::{Aggregate, Snapshot};
use events::{DomainEvent, Timestamp};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs the commands one after the other, keeping what was decided. An accepted command, repeated at once, changes
/// nothing where it `has_identity`; and the whole history leads to the same state as its events one by one.
pub(crate) fn run<A>(commands: Vec<A::Command>, has_identity: fn(&A::Command) -> bool) -> (Vec<A::Event>, A)
where
    A: Aggregate<Command: Debug> + Debug + PartialEq,
{
    let mut history = vec![];
    let mut state = A::default();
    for command in commands {
        let Ok(events) = state.decide(command.clone()) else { continue };
        state = events.iter().fold(state, A::evolve);
        if has_identity(&command) {
            let again = state.decide(command.clone());
            assert!(
                again.is_ok_and(|events| events.is_empty()),
                "repeated, it changes something: {command:?}"
            );
        }
        history.extend(events);
    }
    assert_eq!(A::replay(&history), state);
    (history, state)
}

/// Takes any history and answers any command, without a panic: with events of the aggregate that the command names (what
/// `aggregate_id` says), all of which change the state, or with a rejection that says why. Command and state survive being written down, and what
/// a personal text says makes no difference to the state but itself.
pub(crate) fn hold<A>(
    history: &[A::Event],
    command: A::Command,
    aggregate_id: fn(&A::Command) -> events::AggregateId,
) where
    A: Snapshot + Debug + PartialEq,
    A::Command: Debug + PartialEq + Serialize + DeserializeOwned,
    A::Rejection: Serialize,
{
    let json = serde_json::to_value(&command).unwrap();
    if json["occurred_at"].as_str().unwrap().parse::<Timestamp>().is_ok() {
        assert_eq!(serde_json::from_value::<A::Command>(json.clone()).unwrap(), command);
    }

    let (state, named) = (A::replay(history), aggregate_id(&command));
    assert_eq!(unmasked(A::replay(&masked(history))), state, "it looks into a personal text");
    assert_eq!(kept(&state), state);
    let (before, after) = history.split_at(history.len() / 2);
    assert_eq!(after.iter().fold(kept(&A::replay(before)), A::evolve), state, "a snapshot changes the state");
    match state.decide(command) {
        Ok(events) => {
            let mut state = state;
            for event in &events {
                assert_eq!(event.aggregate_id(), named, "whose is {event:?}?");
                let after = state.clone().evolve(event);
                assert_ne!(state, after, "{event:?} changes nothing");
                state = after;
            }
        }
        Err(rejection) => {
            assert!(!rejection.to_string().is_empty());
            assert!(serde_json::to_value(&rejection).unwrap()["type"].is_string());
        }
    }
}

/// The state as a snapshot of it reads back.
fn kept<A: Serialize + DeserializeOwned>(state: &A) -> A {
    serde_json::from_value(serde_json::to_value(state).unwrap()).unwrap()
}

/// What stands for a personal text whose content must not matter.
const MASK: &str = "masked:";

/// The history with its personal texts changed.
fn masked<E: DomainEvent>(history: &[E]) -> Vec<E> {
    let mut history = history.to_vec();
    for event in &mut history {
        event.personal().into_iter().for_each(|(_, text)| text.insert_str(0, MASK));
    }
    history
}

/// The state with these texts as they were: sealed texts are folded, and opened in the state.
fn unmasked<A: Serialize + DeserializeOwned>(state: A) -> A {
    let json = serde_json::to_string(&state).unwrap().replace(&format!("\"{MASK}"), "\"");
    serde_json::from_str(&json).unwrap()
}

/// Takes the aggregate back.
pub(crate) fn withdrawn<E: DomainEvent>(id: impl Into<events::AggregateId>) -> impl Strategy<Value = E> {
    let id = id.into();
    any::<i64>().prop_map(move |at| E::withdrawn(id, Timestamp::from_micros(at), "x".into()))
}
