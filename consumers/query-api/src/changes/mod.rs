//! Streams of what changes in a view, as server-sent events (WHATWG HTML, 9.2).
//!
//! A stream reads the feed of its projection from a place on: by itself until it is near the end, then what the one [`Tail`]
//! of the view reads for everybody. Rows are read after the feed has told of them, so what is sent is at least as new.

mod feed;
mod stream;
mod streams;
mod tail;
#[cfg(test)]
mod tests;

pub(crate) use feed::TableFeed;
pub use feed::{Feed, Page, Told};
pub(crate) use stream::open;
pub use streams::Streams;
pub(crate) use tail::Tail;
