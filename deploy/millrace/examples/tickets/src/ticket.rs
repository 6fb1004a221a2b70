//! What can happen to a ticket, and what may.

use aggregate::Aggregate;
use events::{AggregateId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketOpened {
    pub ticket_id: AggregateId,
    pub occurred_at: Timestamp,
    pub title: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TicketWithdrawn {
    pub ticket_id: AggregateId,
    pub occurred_at: Timestamp,
    pub reason: String,
}

events::event_set! {
    /// Everything that can happen to a ticket.
    TicketEvent, topic "agents.ticket.events", aggregate "ticket", id ticket_id,
    withdrawn TicketWithdrawn, schemas "examples/tickets/schemas";
    Opened(TicketOpened) version 1;
    Withdrawn(TicketWithdrawn) version 1;
}

/// What somebody wants to happen.
#[derive(Debug, Clone)]
pub struct OpenTicket(pub TicketOpened);

#[derive(Debug, Default)]
pub struct Ticket {
    is_open: bool,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the ticket is open already")]
pub struct AlreadyOpen;

impl Aggregate for Ticket {
    type Command = OpenTicket;
    type Event = TicketEvent;
    type Rejection = AlreadyOpen;

    fn decide(&self, OpenTicket(opened): OpenTicket) -> Result<Vec<TicketEvent>, AlreadyOpen> {
        if self.is_open { Err(AlreadyOpen) } else { Ok(vec![opened.into()]) }
    }

    fn evolve(self, event: &TicketEvent) -> Self {
        Self { is_open: matches!(event, TicketEvent::Opened(_)) }
    }
}
