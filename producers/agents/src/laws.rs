//! What holds for every aggregate of this domain, whatever its rules.

use std::fmt::Debug;

use aggregate::Aggregate;
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

/// Takes any history and answers any command, without a panic: with events of the aggregate that the command names, all
/// of which change the state, or with a rejection that says why. Command and state survive being written down, and what
/// a personal text says makes no difference to the state but itself.
pub(crate) fn hold<A>(history: &[A::Event], command: A::Command)
where
    A: Aggregate + Clone + Debug + PartialEq + Serialize + DeserializeOwned,
    A::Command: Debug + PartialEq + Serialize + DeserializeOwned,
    A::Rejection: Serialize,
{
    let json = serde_json::to_value(&command).unwrap();
    if json["occurred_at"].as_str().unwrap().parse::<Timestamp>().is_ok() {
        assert_eq!(serde_json::from_value::<A::Command>(json.clone()).unwrap(), command);
    }

    let state = A::replay(history);
    assert_eq!(unmasked(A::replay(&masked(history))), state, "it looks into a personal text");
    assert_eq!(serde_json::from_value::<A>(serde_json::to_value(&state).unwrap()).unwrap(), state);
    match state.decide(command) {
        Ok(events) => {
            let mut state = state;
            for event in &events {
                let id = event.aggregate_id().to_string();
                assert!(json.as_object().unwrap().values().any(|value| *value == id), "whose is {event:?}?");
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

/// Takes an aggregate back.
pub(crate) fn withdrawn<E: DomainEvent>() -> impl Strategy<Value = E> {
    let id = uuid::Uuid::from_u128(1);
    any::<i64>()
        .prop_map(move |at| E::withdrawn(events::AggregateId(id), Timestamp::from_micros(at), "x".into()))
}
