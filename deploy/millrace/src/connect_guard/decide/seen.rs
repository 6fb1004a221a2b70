//! What one look finds.

/// One look at everything.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::connect_guard) struct Observation {
    /// What Connect says of the connector; an error: it does not answer.
    pub(in crate::connect_guard) connector: Result<Option<ConnectorSeen>, String>,
    /// What Postgres says; an error: it does not answer.
    pub(in crate::connect_guard) database: Result<DatabaseSeen, String>,
    /// The last count of events that the topics lack, if one has ended since the last look.
    pub(in crate::connect_guard) counted: Option<Counted>,
    /// What is still being done.
    pub(in crate::connect_guard) busy: Option<Busy>,
}

impl Observation {
    /// What Connect says, if it answers and has the connector.
    pub(super) fn connector(&self) -> Option<&ConnectorSeen> {
        self.connector.as_ref().ok()?.as_ref()
    }

    /// The slot, if Postgres answers and there is one.
    pub(super) fn slot(&self) -> Option<&SlotSeen> {
        self.database.as_ref().ok()?.slot.as_ref()
    }
}

/// Work that takes longer than a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect_guard) enum Busy {
    /// Events that the topics lack are counted.
    Counting,
    /// Slot, connector and topics are made whole.
    Repairing,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::connect_guard) struct ConnectorSeen {
    /// Connector and all tasks run.
    pub(in crate::connect_guard) running: bool,
    /// An operator, or this guard, stopped it: it has no tasks.
    pub(in crate::connect_guard) stopped: bool,
    /// How many of connector and tasks gave up.
    pub(in crate::connect_guard) failed: usize,
    /// What the first of them said.
    pub(in crate::connect_guard) failure: Option<String>,
    /// Whether one of them said that the slot begins behind its place.
    pub(in crate::connect_guard) refuses_slot: bool,
    /// Up to where in the log it has delivered; `None`: nothing, or it forgot.
    pub(in crate::connect_guard) delivered: Option<u64>,
    /// The row that it failed of.
    pub(in crate::connect_guard) stands_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::connect_guard) struct DatabaseSeen {
    pub(in crate::connect_guard) slot: Option<SlotSeen>,
    pub(in crate::connect_guard) heartbeat_age_s: f64,
    /// Whether the publication lets events pass by.
    pub(in crate::connect_guard) publication_flawed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::connect_guard) struct SlotSeen {
    pub(in crate::connect_guard) active: bool,
    pub(in crate::connect_guard) lost: bool,
    /// Up to where in the log its reader has everything, in bytes.
    pub(in crate::connect_guard) confirmed: u64,
    pub(in crate::connect_guard) retained_bytes: u64,
}

/// Events that the topics lacked at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connect_guard) struct Counted {
    pub(in crate::connect_guard) missing: u64,
    /// Whether the slot was whole and read when it began: then nothing that was missing can still arrive by itself, and
    /// nothing that is committed since can get lost.
    pub(in crate::connect_guard) while_running: bool,
}
