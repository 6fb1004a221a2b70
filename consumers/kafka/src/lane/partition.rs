//! What the lane knows of one partition.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use events::{AggregateId, TenantId, Timestamp};

use super::circuit::Circuit;
use crate::parking::{Decided, ParkKey, ParkedKey};
use crate::record::Fingerprint;
use crate::signals::Start;
use crate::store::{Claim, Tenure};

/// A partition that Kafka has assigned to us.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) id: i32,
    pub(super) state: State,
    /// Our epoch in the sink, while we believe to have one.
    pub(super) epoch: Option<i64>,
    /// What the sink has not applied.
    pub(super) next_offset: i64,
    /// What the record before it was.
    pub(super) before: Option<Fingerprint>,
    pub(super) parked: HashMap<ParkKey, Parked>,
    pub(super) decided: Decisions,
    /// What became of its last records.
    pub(super) circuit: Circuit,
    /// It waits because of what it cannot apply.
    pub(super) stopped: bool,
    /// It waits for the schema of a record.
    pub(super) lacks_schema: bool,
    /// The offset that Kafka was last told.
    pub(super) hinted: i64,
    /// When the newest event was recorded that was applied since we have the partition.
    pub(super) newest: Option<Timestamp>,
    pub(super) assigned_at: Instant,
}

/// What a partition is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Records of this generation are applied.
    Running(u64),
    /// Nothing is read until then.
    Waiting(Instant, Wake),
}

/// What to do when the wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// It is not ours in the sink yet, or not any more: claim.
    Claim,
    /// It may be: ask the sink how far it got.
    Renew,
    /// It is, and the sink stands at `next_offset`: read on.
    Resume,
}

/// A parked key.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    /// Whose it is, as its first record says.
    pub(super) tenant: Option<TenantId>,
    pub(super) first_offset: i64,
    pub(super) events: u64,
}

/// What is done without.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    versions: HashSet<(TenantId, AggregateId, u64)>,
    offsets: HashSet<i64>,
}

impl Decisions {
    pub(super) fn insert(&mut self, decided: &Decided) {
        match (&decided.version, decided.offset) {
            (Some(version), _) => {
                self.versions.insert(version.clone());
            }
            (None, Some(offset)) => {
                self.offsets.insert(offset);
            }
            (None, None) => {}
        }
    }

    pub(super) fn has_offset(&self, offset: i64) -> bool {
        self.offsets.contains(&offset)
    }

    pub(super) fn has_version(&self, tenant: &TenantId, aggregate_id: AggregateId, version: u64) -> bool {
        !self.versions.is_empty() && self.versions.contains(&(tenant.clone(), aggregate_id, version))
    }
}

impl Partition {
    pub(super) fn new(id: i32, wake_at: Instant) -> Self {
        Self {
            id,
            state: State::Waiting(wake_at, Wake::Claim),
            epoch: None,
            next_offset: 0,
            before: None,
            parked: HashMap::new(),
            decided: Decisions::default(),
            circuit: Circuit::default(),
            stopped: false,
            lacks_schema: false,
            hinted: -1,
            newest: None,
            assigned_at: wake_at,
        }
    }

    /// Takes over what the sink says.
    pub(super) fn claimed(&mut self, claim: Claim, generation: u64) {
        self.state = State::Running(generation);
        self.epoch = Some(claim.epoch);
        self.next_offset = claim.next_offset;
        self.before = claim.fingerprint;
        self.parked = claim
            .parked_keys
            .into_iter()
            .map(|ParkedKey { key, tenant, first_offset, events }| {
                (key, Parked { tenant, first_offset, events })
            })
            .collect();
        self.decided = Decisions::default();
        for decided in &claim.decided {
            self.decided.insert(decided);
        }
    }

    /// Where this generation begins to read.
    pub(super) fn start(&self, generation: u64) -> Start {
        Start { partition: self.id, offset: self.next_offset, generation, before: self.before }
    }

    pub(super) fn tenure(&self) -> Option<Tenure> {
        self.epoch.map(|epoch| Tenure { partition: self.id, epoch })
    }

    pub(super) fn is_running(&self, generation: u64) -> bool {
        self.state == State::Running(generation)
    }

    pub(super) fn wake_at(&self) -> Option<Instant> {
        match self.state {
            State::Running(_) => None,
            State::Waiting(until, _) => Some(until),
        }
    }

    /// Whether its parked keys may be worked on: it is ours, and the sink's state is known.
    pub(super) fn is_settled(&self) -> bool {
        self.epoch.is_some() && matches!(self.state, State::Running(_) | State::Waiting(_, Wake::Resume))
    }

    /// Whether a record of this key at this offset has to queue up.
    pub(super) fn parks(&self, key: &ParkKey, offset: i64) -> bool {
        self.parked.get(key).is_some_and(|parked| offset >= parked.first_offset)
    }

    /// How many keys are parked, and how many records.
    pub(super) fn room_taken(&self) -> (usize, u64) {
        (self.parked.len(), self.parked.values().map(|parked| parked.events).sum())
    }

    /// The same of one tenant's keys, or of those of which none says whose they are.
    pub(super) fn room_taken_by(&self, tenant: Option<&TenantId>) -> (usize, u64) {
        let of_tenant = || self.parked.values().filter(|parked| parked.tenant.as_ref() == tenant);
        (of_tenant().count(), of_tenant().map(|parked| parked.events).sum())
    }
}
