//! Rows of any source as commands of any domain, told by a mapping file.
//!
//! A mapping file ([`Mapping`]) declares the columns of a row with their types and units, which aggregate a row becomes,
//! and the commands that tell its history. The language is closed: no expressions, no functions, no code. What a source
//! must compute it computes in its own query.
//!
//! It promises that a row becomes the same commands and the same ids whenever it is read; that money and numbers never
//! pass through a float; that a mistake in the file is named with its place before any row is read; and that a bad row is
//! refused with its column and the reason. It knows no file, database, store or clock, and no command: what it makes is
//! JSON, which the domain reads and decides.
//!
//! ```
//! # use mapping::{Mapping, Raw};
//! let mapping = Mapping::parse(r#"
//! mapping: doors
//! source: { kind: csv, columns: { door: text, opened: rfc3339, price: usd?, steps: natural } }
//! key: [door]
//! aggregate: { type: door, id: { namespace: 9b2ffba4-9a6e-4bd3-a1cb-31b3ba3ab0ac, of: [door] } }
//! commands:
//!   - { type: OpenDoor, with: { occurred_at: opened, paid_nano_usd: price, by: { constant: import } } }
//! "#)?;
//! let row = Raw::from_texts([("door", "front"), ("opened", "2026-11-21T04:00:00+01:00"), ("price", "0.1"), ("steps", "3")]);
//! let mapped = mapping.map(&"acme".parse()?, &row)?;
//! assert_eq!(mapped.commands[0].json["occurred_at"], "2026-11-21T03:00:00.000000Z");
//! assert_eq!(mapped.commands[0].json["paid_nano_usd"], 100_000_000);
//!
//! let row = Raw::from_texts([("door", "front"), ("opened", "2026-11-21T04:00:00"), ("price", ""), ("steps", "3")]);
//! assert_eq!(mapping.map(&"acme".parse()?, &row).unwrap_err().field, "opened");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod column;
mod command;
mod convert;
mod decimal;
mod error;
mod expression;
mod file;
mod id;
mod mapping;
mod path;
mod raw;
mod source;
mod sum;
mod time;
mod value;
mod when;

pub use command::Command;
pub use error::{BadMapping, Refused};
pub use mapping::{Mapped, Mapping};
pub use raw::Raw;
pub use source::Source;
pub use sum::Sum;
