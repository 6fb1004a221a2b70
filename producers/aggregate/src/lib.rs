//! What an aggregate is: rules as functions of values, and a way to tell their stories as tests.
//!
//! An aggregate decides alone whether a command is legal, from nothing but its own past. [`Aggregate::decide`] says what
//! a command leads to, [`Aggregate::evolve`] what an event means. This crate promises nothing but the shape: it
//! knows no store, no clock, no source of ids; times and ids arrive inside commands.
//!
//! ```
//! # use aggregate::{Aggregate, given};
//! # use events::{DomainEvent, EventType, AggregateId, Timestamp};
//! # #[derive(Debug, Clone, PartialEq)] struct Opened(AggregateId, Timestamp);
//! # impl DomainEvent for Opened {
//! #     const TOPIC: &'static str = "shop.door.events"; const AGGREGATE_TYPE: &'static str = "door";
//! #     const TYPES: &'static [EventType] = &[]; const WITHDRAWN: &'static str = "DoorWithdrawn";
//! #     fn event_type(&self) -> &'static str { "Opened" }
//! #     fn aggregate_id(&self) -> AggregateId { self.0 }
//! #     fn occurred_at(&self) -> Timestamp { self.1 }
//! #     fn personal(&mut self) -> Vec<(&'static str, &mut String)> { vec![] }
//! #     fn withdrawn(id: AggregateId, at: Timestamp, _: String) -> Self { Opened(id, at) }
//! #     fn serialize_record<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_unit() }
//! #     fn deserialize_record<'de, D: serde::Deserializer<'de>>(_: &str, _: u32, _: D) -> Option<Result<Self, D::Error>> { None }
//! # }
//! # fn opened() -> Opened { Opened(AggregateId(uuid::Uuid::nil()), Timestamp::from_micros(0)) }
//! #[derive(Debug, PartialEq, thiserror::Error)]
//! #[error("the door is open already")]
//! struct AlreadyOpen;
//!
//! #[derive(Default)]
//! struct Door { open: bool }
//!
//! impl Aggregate for Door {
//!     type Command = Opened; // a command that is its own event
//!     type Event = Opened;
//!     type Rejection = AlreadyOpen;
//!
//!     fn decide(&self, open: Opened) -> Result<Vec<Opened>, AlreadyOpen> {
//!         if self.open { Err(AlreadyOpen) } else { Ok(vec![open]) }
//!     }
//!
//!     fn evolve(self, _: &Opened) -> Self {
//!         Door { open: true }
//!     }
//! }
//!
//! given::<Door>([]).when(opened()).then([opened()]);
//! given::<Door>([opened()]).when(opened()).rejected(AlreadyOpen);
//! ```

mod commands;
mod diff;
mod story;

pub use commands::{CommandType, Commands};
pub use story::{Decided, Given, given};

use events::DomainEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The rules of one kind of thing that changes.
///
/// `Default` is the state before the first event.
pub trait Aggregate: Default {
    /// What somebody wants to happen. Cloned when a lost race makes the decision be taken again.
    type Command: Clone;
    /// What can have happened.
    type Event: DomainEvent;
    /// Why the rules say no; an answer, not a failure.
    type Rejection: std::error::Error;

    /// What `command` leads to in this state: events in order, none if it changes nothing, or a rejection.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// This state after `event`. Total, and without a rule: what is stored has happened, also where `decide` would refuse
    /// it today, so that a stricter rule never changes a history. Only what the state has no place for leaves it as it is,
    /// such as anything before the first event.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;

    /// The state after a whole history.
    #[must_use]
    fn replay<'a>(history: impl IntoIterator<Item = &'a Self::Event>) -> Self
    where
        Self::Event: 'a,
    {
        history.into_iter().fold(Self::default(), Self::evolve)
    }
}

/// An aggregate whose state can be kept, so that not its whole history has to be folded.
pub trait Snapshot: Aggregate + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Raised whenever a state that was kept would be wrong: a field changed, or `evolve` means something else by an
    /// event. States of other shapes are folded anew.
    const SHAPE: u32;
}
