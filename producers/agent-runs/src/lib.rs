//! Published runs of AI agents, line by line, as commands of the agents domain.
//!
//! One line of JSON is one run (`producers/agents/samples/README.md` lists the fields). This crate promises that a line
//! becomes the same commands, ids and events whenever it is read, so that an import can be repeated, and that a bad line is
//! refused with its field and its reason. It knows no file, store or clock.

mod commands;
mod decimal;
mod line;

pub use commands::{commands, event_id, execution_id};
pub use line::{AgentRun, AgentStep, BadLine, parse};
