//! Following the store's log by position: first what is there, then what comes, for effects that Kafka is too far for.
//!
//! A [`Subscription`] is asked for the next delivery, so it reads no faster than its subscriber works and holds one slice of
//! events at most. It promises:
//!
//! - nothing is skipped: a slice ends where the log has settled, so an append that commits late is still to come;
//! - nothing is out of order: events come by position, and so by version within an aggregate;
//! - each event at least once; and its effect exactly once, when the subscriber stores [`Slice::through`] in the
//!   transaction of the effect and answers it as [`Subscriber::position`] when it begins again.
//!
//! An open appender holds a subscription back until its transaction ends, or is ended by an
//! [`event_store::AppenderWatch`]; whoever appends nothing, here or in another database, never does.
//!
//! It does not know what the effect is, where it is kept, or what an event means.
//!
//! ```
//! use event_store::{Filter, InMemoryEventStore};
//! use subscriptions::{Config, Delivery, Subscription};
//!
//! # async fn example() -> Result<(), event_store::StoreError> {
//! let store = InMemoryEventStore::new(events_clock);
//! let mut subscription = Subscription::new(&store, Filter::all(), 0, Config::default());
//! loop {
//!     match subscription.next().await? {
//!         Delivery::Slice(slice) => println!("{} events up to {}", slice.events.len(), slice.through),
//!         Delivery::CaughtUp { position } => println!("live at {position}"),
//!         Delivery::FellBehind { position, settled } => println!("{} behind", settled - position),
//!     }
//! }
//! # }
//! # fn events_clock() -> events::Timestamp { events::Timestamp::from_micros(0) }
//! ```

mod config;
mod metrics;
mod run;
mod subscription;

pub use config::Config;
pub use event_store::Slice;
pub use metrics::Metrics;
pub use run::{Error, Signal, Subscriber, run};
pub use subscription::{Delivery, Subscription};
