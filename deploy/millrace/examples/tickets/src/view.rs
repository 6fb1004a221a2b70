//! What a dashboard sees of tickets.

use events::Recorded;
use projection::{Moment, Projection, Refusal};
use serde::{Deserialize, Serialize};

use crate::ticket::TicketEvent;

/// A ticket that is open. Its fields are the columns of the table `ticket`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketRow {
    pub title: String,
    pub opened_at: Moment,
}

#[derive(Debug)]
pub struct TicketsPostgres;

impl Projection for TicketsPostgres {
    const NAME: &'static str = "tickets-postgres";
    type Event = TicketEvent;
    type View = TicketRow;

    fn apply(_: Option<TicketRow>, event: &Recorded<TicketEvent>) -> Result<Option<TicketRow>, Refusal> {
        match &event.payload {
            TicketEvent::Opened(opened) if opened.title.is_empty() => Err(Refusal::new("it has no title")),
            TicketEvent::Opened(opened) => {
                Ok(Some(TicketRow { title: opened.title.clone(), opened_at: opened.occurred_at.try_into()? }))
            }
            TicketEvent::Withdrawn(_) => Ok(None),
        }
    }
}
