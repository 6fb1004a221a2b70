//! A row mapped, decided and encoded; nothing is written.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use event_store::{NewEvent, SubjectId};
use events::{AggregateId, Metadata, TenantId};
use mapping::{Mapping, Raw, Refused};
use serde::Serialize;

use crate::{Place, Target};

/// Who is named as the actor of imported events.
const ACTOR: &str = "import";

/// A row that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What the source calls it, as far as it could be read.
    pub key: Option<String>,
    /// Where in the row the mistake is, such as `steps[3].cost_usd`; `.` for the row as a whole.
    pub field: String,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, field, reason } = self;
        match key {
            Some(key) => write!(f, "{place} ({key}): field {field}: {reason}"),
            None => write!(f, "{place}: field {field}: {reason}"),
        }
    }
}

/// The whole history that a row leads to.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Where the row is.
    pub place: Place,
    /// What the source calls it.
    pub key: String,
    /// Whose history it is.
    pub aggregate_id: AggregateId,
    /// How many commands of each type it was told in.
    pub commands: BTreeMap<String, u64>,
    /// Whom its personal texts are about, where the mapping says it.
    pub subject: Option<SubjectId>,
    /// Its events, as the first of their aggregate, not sealed yet.
    pub events: Vec<NewEvent>,
    /// What the row adds to each of the mapping's sums.
    pub sums: Vec<i128>,
}

impl Planned {
    /// The row, refused after all.
    pub(crate) fn rejected(self, reason: String) -> Rejected {
        Rejected { place: self.place, key: Some(self.key), field: ".".to_owned(), reason }
    }
}

/// Plans one row after another. Keeps 40 bytes of each, to tell two rows of one aggregate.
pub struct Planner<'a> {
    mapping: &'a Mapping,
    tenant: &'a TenantId,
    target: &'a dyn Target,
    run: Option<String>,
    seen: HashMap<AggregateId, u64>,
}

impl fmt::Debug for Planner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner")
            .field("mapping", &self.mapping.name)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl<'a> Planner<'a> {
    /// `run` becomes the cause of the events.
    pub fn new(
        mapping: &'a Mapping,
        tenant: &'a TenantId,
        target: &'a dyn Target,
        run: Option<String>,
    ) -> Self {
        Self { mapping, tenant, target, run, seen: HashMap::new() }
    }

    /// What a row leads to.
    ///
    /// # Errors
    /// Names the field and the reason, whoever refuses it: the mapping, the rules, or the schema.
    pub fn plan(&mut self, place: Place, row: Result<Raw, Refused>) -> Result<Planned, Box<Rejected>> {
        let row = match row {
            Ok(row) => row,
            Err(refused) => return Err(reject(place, None, refused)),
        };
        match self.decide(&place, &row) {
            Ok(planned) => Ok(planned),
            Err(refused) => Err(reject(place, self.mapping.key(&row), refused)),
        }
    }

    fn decide(&mut self, place: &Place, row: &Raw) -> Result<Planned, Refused> {
        let mapped = self.mapping.map(self.tenant, row)?;
        let aggregate_id = mapped.aggregate_id;
        let whole = |reason| Refused { field: ".".to_owned(), reason };
        if let Some(line) = self.seen.get(&aggregate_id) {
            return Err(whole(format!(
                "leads to aggregate {aggregate_id}, as line {line} does; one row is one aggregate"
            )));
        }
        let mut commands = BTreeMap::new();
        for command in &mapped.commands {
            let name = command.json["type"].as_str().unwrap_or_default();
            *commands.entry(name.to_owned()).or_default() += 1;
        }
        let why = Metadata {
            correlation_id: mapped.correlation,
            causation_id: self.run.clone(),
            actor: Some(ACTOR.to_owned()),
            ..Metadata::default()
        };
        let refused = |reason| Refused { field: "subject".to_owned(), reason };
        let subject = mapped.subject.map(|subject| subject.parse::<SubjectId>()).transpose();
        let subject = subject.map_err(|invalid| refused(invalid.to_string()))?;
        let events = self.target.decide(aggregate_id, mapped.commands, &why)?;
        if events.is_empty() {
            return Err(whole("leads to no event at all".to_owned()));
        }
        self.seen.insert(aggregate_id, place.line);
        Ok(Planned {
            place: place.clone(),
            key: mapped.key,
            aggregate_id,
            commands,
            subject,
            events,
            sums: mapped.sums,
        })
    }
}

fn reject(place: Place, key: Option<String>, Refused { field, reason }: Refused) -> Box<Rejected> {
    Box::new(Rejected { place, key, field, reason })
}
