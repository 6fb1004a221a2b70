//! Existing data brought in: from a file or a query, by a mapping, through the same rules as live commands.
//!
//! One row of a source tells the whole history of one aggregate. Its commands are decided by the domain ([`Rules`]), encoded
//! by the schemas that live events use, and appended under ids that derive from the row's key. So this crate promises:
//!
//! - a validation maps, decides and encodes every row and writes nothing;
//! - a run may be killed at any instruction and be started again: what is stored is recognised, event by event, and
//!   nothing is stored twice; of up to [`event_store::EVENTS_MAX`] events an aggregate is there whole or not at all;
//! - a row that is refused is reported with its place, its key, its field and the reason, and holds up no other;
//! - a verification reads the source again and compares every aggregate with what the source leads to;
//! - a roll-back withdraws every aggregate that the run made, and none that others have appended to since.
//!
//! It does not know any domain, or what a command means: aggregates are given to it as [`Target`]s.
//!
//! ```
//! # use import::{Place, Rejected};
//! let rejected = Rejected {
//!     place: Place { source: "tasks.csv".into(), line: 7 },
//!     key: Some("a-17".into()),
//!     field: "cost_usd".into(),
//!     reason: "is no decimal number".into(),
//! };
//! assert_eq!(rejected.to_string(), "tasks.csv: line 7 (a-17): field cost_usd: is no decimal number");
//! ```

mod append;
mod bookkeeping;
mod error;
mod plan;
mod postgres;
mod progress;
mod report;
mod rollback;
mod run;
mod source;
mod target;
mod verify;

pub use bookkeeping::{Backup, Bookkeeping, Run, State};
pub use error::Error;
pub use plan::{Planned, Planner, Rejected};
pub use progress::Progress;
pub use report::{Counts, Report, SumFound, Total, Verified};
pub use rollback::{Kept, Rollback, RolledBack};
pub use run::Importer;
pub use source::{Origin, Place, Rows};
pub use target::{Rules, Target};
