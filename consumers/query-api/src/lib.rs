//! The REST face of the read side: views out, as fresh as asked.
//!
//! A view of any domain is served by one line, a table or view of Postgres ([`View::table`], [`View::totals`]) or the documents of
//! a projection in Redis ([`View::documents`]): filtered, sorted, page by page, row by row. What is the same for every API (who
//! asks, how much, what may go wrong) is [`http_api`]'s.
//!
//! It promises that
//!
//! - a caller sees the rows of its own tenant and no others: Postgres itself hides them from the role that reads;
//! - every answer says of when it is (`as_of`), never fresher than it is;
//! - a read with a command's token is at least as fresh as that command, or says that it is stale;
//! - walking the pages of a view shows every row that stays as it is exactly once;
//! - a stream of a view's changes tells every change at least once, from the place on that a client names, or says `reset`; however
//!   many follow, the feed is read once, and nobody who is slow costs more than a bounded room.
//!
//! It does not know how views come about, nor the domain.

mod answer;
mod api;
mod asked;
mod changes;
mod config;
mod cursor;
mod documents;
mod freshness;
pub mod openapi;
mod view;

pub use api::Api;
pub use changes::{Feed, Page, Streams, Told};
pub use config::QueryConfig;
pub use documents::{Documents, Live, Scored, Unread};
pub use freshness::{Watch, watch};
pub use view::View;
