//! Redis views: one gated script per partition, the offset last.
//!
//! [`RedisViews`] is the sink of a projection whose views live in Redis. All keys of a partition share its hash tag, so
//! that one script can check epoch and offset, write rows that are newer, and move the offset, at once. It promises
//! that a script that ran twice has run once; that an owner whose epoch has passed writes nothing; that a record parks
//! in Postgres before the offset moves past it; and that a Redis that was wiped or rolled back is noticed, within a
//! second though nothing flows, and filled again from the topic.
//!
//! The same script tells a feed which rows changed ([`RedisViews::with_feed`]): one stream per partition, for any program to read.
//! [`Fed`] says how it is laid out.
//!
//! Epochs come from Postgres, because Redis can forget the newest of them; offsets live in Redis, because they must be
//! forgotten together with the rows. [`Reader`] reads the views, [`kafka::partition_of`] tells where.
//!
//! It does not know what the views mean. One namespace belongs to one projection of one topic. A record that a producer put on the wrong
//! partition meets the rows of that partition only, so it shows as a gap, or, from version 1 on, as a second row that
//! `millrace verify` calls doubled.

mod config;
mod connection;
mod error;
mod expire;
mod feed;
mod flush;
mod keys;
mod next;
mod nodes;
mod postgres;
mod reader;
mod scripts;
mod store;

pub use config::{RedisConfig, RedisRetentionConfig};
pub use error::Error;
pub use feed::{Fed, FeedPlace};
pub use next::{NextKeys, abandon, go_back};
pub use reader::{Place, Position, Reader, ViewAt};
pub use store::RedisViews;
