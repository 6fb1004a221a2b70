//! Source and store compared, row by row.

use std::sync::Arc;

use event_store::{EventStore, StoredEvent};
use mapping::Mapping;
use serde_json::Value as Json;
use tokio::task::JoinSet;

use crate::append::{Appender, Found};
use crate::{Error, Importer, Origin, Planned, Progress, Rows, SumFound, Verified};

/// How many differences are told in words; all are counted.
const DIFFERENCES_MAX: usize = 20;

type Compared = Result<(Planned, Found, Vec<Option<i128>>), Error>;

impl<S: EventStore + 'static> Importer<S> {
    /// Reads the source once more and loads every aggregate it leads to. A refused row has no history, so it is
    /// accounted for by being refused.
    ///
    /// # Errors
    /// When source or store fail, or a stored event cannot be read.
    pub async fn verify(
        &self,
        mapping: &Mapping,
        origin: &Origin,
        progress: &Progress,
    ) -> Result<Verified, Error> {
        let (mut rows, mut planner) = (Rows::open(mapping, origin).await?, self.planner(mapping, None));
        let names = mapping.sums.iter().map(|sum| (sum.name.clone(), SumFound::default()));
        let mut verified = Verified { sums: names.collect(), ..Verified::default() };
        let sums: Arc<[(String, String)]> =
            mapping.sums.iter().map(|sum| (sum.event.clone(), sum.field.clone())).collect();
        let mut loads: JoinSet<Compared> = JoinSet::new();
        while let Some((place, row)) = rows.next().await? {
            verified.rows += 1;
            match planner.plan(place, row) {
                Ok(planned) => {
                    let (appender, sums) = (self.appender(), Arc::clone(&sums));
                    loads.spawn(async move { appender.compare(planned, &sums).await });
                }
                Err(_) => {
                    verified.rows_rejected += 1;
                    progress.refused();
                }
            }
            while loads.len() >= self.concurrency() {
                verified.add_next(mapping, &mut loads, progress).await?;
            }
        }
        while !loads.is_empty() {
            verified.add_next(mapping, &mut loads, progress).await?;
        }
        Ok(verified)
    }
}

impl<S: EventStore> Appender<S> {
    /// What is stored of a row, and what its stored events add to each sum.
    async fn compare(self, planned: Planned, sums: &[(String, String)]) -> Compared {
        let found = self.find(&planned).await?;
        let mut totals = vec![Some(0_i128); sums.len()];
        for event in &found.stored {
            if sums.iter().any(|(name, _)| *name == event.event_type) {
                let fields = self.target.fields(StoredEvent::clone(event)).await?;
                for (total, (_, field)) in
                    totals.iter_mut().zip(sums).filter(|(_, (name, _))| *name == event.event_type)
                {
                    *total = total.zip(number(&fields, field)).map(|(total, number)| total + number);
                }
            }
        }
        Ok((planned, found, totals))
    }
}

/// A number of an event, 0 where it is absent; `None` for what is no number.
fn number(fields: &Json, field: &str) -> Option<i128> {
    match fields.get(field) {
        Some(Json::Null) => Some(0),
        Some(value) => value.as_i64().map(i128::from),
        None => None,
    }
}

impl Verified {
    async fn add_next(
        &mut self,
        mapping: &Mapping,
        loads: &mut JoinSet<Compared>,
        progress: &Progress,
    ) -> Result<(), Error> {
        if let Some(compared) = loads.join_next().await {
            let (planned, found, totals) = compared.map_err(Error::Broken)??;
            self.add(mapping, planned, found, &totals);
            progress.applied(0, 0);
        }
        Ok(())
    }

    fn add(&mut self, mapping: &Mapping, planned: Planned, found: Found, totals: &[Option<i128>]) {
        self.events_expected += planned.events.len() as u64;
        self.events_found += found.stored.len() as u64;
        for (command, count) in &planned.commands {
            *self.commands.entry(command.clone()).or_default() += count;
        }
        for event in &found.stored {
            *self.events.entry(event.event_type.clone()).or_default() += 1;
        }
        let mut differences = Vec::new();
        for ((sum, source), store) in mapping.sums.iter().zip(&planned.sums).zip(totals) {
            let Some(found) = self.sums.get_mut(&sum.name) else { continue };
            found.source.0 += source;
            found.store.0 += store.unwrap_or_default();
            if store.is_none() {
                differences.push(format!("{} has no whole number {:?}", sum.event, sum.field));
            }
        }
        match found.differs {
            Some(reason) => {
                self.rows_different += 1;
                differences.push(reason);
            }
            None if found.stored.len() < planned.events.len() => {
                self.rows_missing += 1;
                let (stored, planned) = (found.stored.len(), planned.events.len());
                differences.push(format!("only {stored} of {planned} events are stored"));
            }
            None => self.rows_equal += 1,
        }
        let place = format!("{} ({}), aggregate {}", planned.place, planned.key, planned.aggregate_id);
        for difference in differences {
            if self.differences.len() < DIFFERENCES_MAX {
                self.differences.push(format!("{place}: {difference}"));
            }
        }
    }
}
