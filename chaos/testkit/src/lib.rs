//! Real services for tests: databases, topics and names of their own on a stack that is up.
//!
//! Every test gets a database or a topic that no other test uses, on the stack that the environment variable
//! `MILLRACE_STACK` names; `make test` raises one for the run. A database goes when its handle does, also when the
//! test panics; what is left of a killed run goes with the stack.
//!
//! It promises that what it hands out is as in production: the same owner, the same roles with the same passwords,
//! the same access rules. It does not know any table, schema or event: a test migrates what it needs.
//!
//! ```no_run
//! # async fn example() {
//! let database = testkit::events_database().await;
//! let pool = sqlx::PgPool::connect(&database.url("owner")).await.unwrap();
//! let topic = testkit::topic("agents.execution.events", 3).await;
//! # }
//! ```

mod database;
mod facts;
mod own_stack;
mod postgres_proxy;
mod topic;
mod wait;

pub use database::{Database, events_database, superuser, views_database};
pub use facts::{Facts, stack, unique};
pub use own_stack::OwnStack;
pub use postgres_proxy::{Lost, PostgresProxy};
pub use topic::{records_deleted, topic, topic_made_anew};
pub use wait::eventually;
