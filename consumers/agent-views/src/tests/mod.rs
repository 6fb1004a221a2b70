//! Stories of both views, and what holds for every history.

mod decided;
mod histories;
mod properties;
mod schema;
mod stories;
