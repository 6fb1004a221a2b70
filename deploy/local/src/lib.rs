//! The local stack: the real servers as plain processes of this machine.
//!
//! A *stack* has a name, a folder of its own and five components: PostgreSQL, Redis, Kafka, a schema registry and
//! Kafka Connect with Debezium; where it is asked for, also replicas of the first two, or a cluster of Redis. [`Stack::raise`] starts what is missing and waits until it answers, [`down`] ends
//! exactly what was started and keeps the data. Everything listens on the loopback address alone, behind passwords
//! made at random when the stack is first raised and kept in one file, `stack.env`, that only its owner may read.
//!
//! What is not a Debian package is fetched by its ecosystem's own client (Maven, pip), checked against the committed
//! `lock.toml`, and kept in a cache that all stacks of a user share.
//!
//! It promises: no password in a process list, in a log or in `status`; a component that is up has answered; `down`
//! ends no process but its own. It does not know topics, ACLs, migrations or connectors: between
//! [`Raising::servers`] and [`Raising::connect`] its caller puts those in place.
//!
//! ```no_run
//! # async fn example() -> local::Result<()> {
//! let stack = local::Stack::open("mine")?;
//! let raising = stack.raise(&local::RaiseArgs::default()).await?;
//! raising.servers().await?;
//! // Migrations, topics and ACLs come here: Connect may not start before it is allowed its own topics.
//! raising.connect().await?;
//! println!("{}", raising.raised());
//! drop(raising); // from here on others may raise or end it
//! stack.down(false).await
//! # }
//! ```

mod args;
mod component;
mod connect;
mod database;
mod disk;
mod doctor;
mod down;
mod env_file;
mod error;
mod files;
mod home;
mod java;
mod kafka;
pub mod lock;
mod logs;
mod packages;
mod peer;
mod ports;
mod postgres;
mod process;
mod progress;
mod raise;
mod raised;
mod redis;
mod registry;
mod secrets;
mod server;
mod stack;
mod start;
mod state;
mod status;
mod topology;

pub use args::{DoctorArgs, DownArgs, LockArgs, LogsArgs, RaiseArgs, StackArgs, StatusArgs, UpArgs};
pub use component::Component;
pub use database::Databases;
pub use doctor::{Diagnosis, Finding, Verdict, doctor};
pub use down::down;
pub use env_file::StackEnv;
pub use error::{Error, Result};
pub use home::Home;
pub use logs::logs;
pub use peer::Peer;
pub use process::Process;
pub use raise::{Raising, up};
pub use raised::{Raised, Started};
pub use stack::Stack;
pub use status::{ComponentStatus, Health, Status, status};
pub use topology::{PostgresTopology, RedisTopology};

/// Renews the lock file.
pub async fn renew_lock(args: &LockArgs) -> Result<()> {
    lock::renew(&args.file).await.map(drop)
}
