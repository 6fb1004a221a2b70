//! Carrying out what operators ask for on parked keys: between batches, by the owner, through the same fold.

use std::collections::HashSet;
use std::sync::Arc;

use events::EventId;
use projection::Projection;
use tracing::{info, warn};
use wire::{DecodeError, Decoder};

use super::draft::{Draft, Refused};
use super::partition::Partition;
use super::{Lane, SinkTrouble, asked, read, told};
use crate::changes::{Changes, Progress, Source};
use crate::fault::{Classify, Fault};
use crate::parking::{Action, Decided, Decision, ParkedRecord, Reason, Release, Request, Settled, Stopped};
use crate::projector::ProjectorError;
use crate::store::ViewStore;

/// Parked records of one key that are worked on before live records have their turn again.
const CHUNK: usize = 200;
/// Most versions that one discard may pass over; more than that is no slip of a producer.
const PASSED_MAX: u64 = 1_000;

/// What a chunk of a key's parked records comes to.
struct Outcome<V> {
    changes: Changes<V>,
    draft: Draft<V>,
    decided: Vec<Decided>,
    /// The registry stood in the way; what comes before is carried out, the rest later.
    interrupted: bool,
    /// No record of the key is left.
    emptied: bool,
}

/// What becomes of one parked record.
enum Fate {
    Released,
    Stopped(Refused),
    Interrupted,
}

impl<P: Projection, S: ViewStore<P>> Lane<P, S> {
    /// Works on what is asked for, one chunk per key; answers whether there is more to do right away.
    pub(super) async fn serve_requests(&mut self) -> Result<bool, ProjectorError> {
        let ids: Vec<i32> = self
            .partitions
            .values()
            .filter(|p| p.is_settled() && !p.parked.is_empty())
            .map(|p| p.id)
            .collect();
        let requests = match asked(self.config.sink_timeout(), self.store.requests(&self.topic, &ids)).await {
            Ok(requests) => requests,
            Err(trouble) => return self.judge("read requests", trouble).map(|()| false),
        };
        let mut more = false;
        for request in requests {
            match self.serve(&request, CHUNK).await {
                Ok(unfinished) => more |= unfinished,
                Err(trouble) => return self.judge("redrive", trouble).map(|()| false),
            }
        }
        Ok(more)
    }

    /// Works on one key. A chunk that the sink cannot store is worked off record by record.
    async fn serve(&mut self, request: &Request, chunk: usize) -> Result<bool, SinkTrouble<S::Error>> {
        let mut limit = chunk;
        let mut unstorable = None;
        loop {
            if !self.partitions.get(&request.partition).is_some_and(|p| p.is_settled()) {
                return Ok(false);
            }
            let records = self.parked(request, limit).await?;
            let outcome = self.outcome(request, &records, limit, unstorable.take()).await?;
            match asked(self.config.sink_timeout(), self.store.commit(&outcome.changes)).await {
                Ok(committed) => {
                    let finished = outcome.emptied || !outcome.changes.settled.is_empty();
                    let more = !finished && !outcome.interrupted && committed.fenced.is_empty();
                    self.served(request, outcome, &committed.fenced);
                    return Ok(more);
                }
                Err(SinkTrouble::Refused(error)) if error.fault() == Fault::Poison && limit > 1 => limit = 1,
                Err(SinkTrouble::Refused(error)) if error.fault() == Fault::Poison => {
                    if outcome.changes.rows.is_empty() {
                        return Err(SinkTrouble::Refused(error));
                    }
                    unstorable = Some(told(&error));
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    async fn parked(
        &mut self,
        request: &Request,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, SinkTrouble<S::Error>> {
        let (topic, id, key) = (Arc::clone(&self.topic), request.partition, &request.key);
        asked(self.config.sink_timeout(), self.store.parked(&topic, id, key, limit)).await
    }

    async fn outcome(
        &mut self,
        request: &Request,
        records: &[ParkedRecord],
        limit: usize,
        unstorable: Option<String>,
    ) -> Result<Outcome<P::View>, SinkTrouble<S::Error>> {
        let partition = &self.partitions[&request.partition];
        let (id, epoch, next) = (partition.id, partition.epoch.unwrap_or_default(), partition.next_offset);
        let mut outcome = Outcome {
            changes: Changes::new(Arc::clone(&self.topic)),
            draft: Draft::new(),
            decided: Vec::new(),
            interrupted: false,
            emptied: false,
        };
        outcome.changes.progress.push(Progress {
            partition: id,
            epoch,
            from: next,
            next_offset: next,
            fingerprint: partition.before,
        });
        let keys = records.iter().filter_map(|parked| parked.row().map(|key| (id, key)));
        let missing = outcome.draft.recall(&mut self.cache, keys);
        if !missing.is_empty() {
            outcome.draft.loaded(asked(self.config.sink_timeout(), self.store.load(&missing)).await?);
        }
        for parked in records {
            let fate = match &unstorable {
                Some(why) => Fate::Stopped(Refused::new(Reason::Unstorable, why.clone())),
                None => {
                    let partition = &self.partitions[&request.partition];
                    fate::<P>(&self.decoder, partition, &self.refused, &mut outcome, request, parked).await
                }
            };
            let offset = parked.record.offset;
            match fate {
                Fate::Released => {
                    let release = Release { key: request.key.clone(), partition: id, offset };
                    outcome.changes.releases.push(release);
                }
                Fate::Interrupted => {
                    outcome.interrupted = true;
                    break;
                }
                Fate::Stopped(Refused { reason, message }) => {
                    let stopped = Some(Stopped { offset, reason, message });
                    let settled = Settled { partition: id, key: request.key.clone(), stopped };
                    outcome.changes.settled.push(settled);
                    break;
                }
            }
        }
        outcome.emptied = records.len() < limit && outcome.changes.releases.len() == records.len();
        if outcome.emptied {
            outcome.changes.settled.push(Settled { partition: id, key: request.key.clone(), stopped: None });
        }
        outcome.changes.rows = outcome.draft.changed();
        Ok(outcome)
    }

    /// The sink has it.
    fn served(&mut self, request: &Request, outcome: Outcome<P::View>, fenced: &[i32]) {
        self.sink.answered();
        let id = request.partition;
        if fenced.contains(&id) {
            return self.fenced(id);
        }
        let (changes, released) = (outcome.changes, outcome.draft.tally.applied);
        self.metrics.applied.inc_by(released);
        self.metrics.stale.inc_by(outcome.draft.tally.stale);
        self.metrics.released.inc_by(changes.releases.len() as u64);
        outcome.draft.keep(&mut self.cache, fenced);
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        for decided in &outcome.decided {
            partition.decided.insert(decided);
        }
        if let Some(parked) = partition.parked.get_mut(&request.key) {
            parked.events = parked.events.saturating_sub(changes.releases.len() as u64);
        }
        if outcome.emptied {
            partition.parked.remove(&request.key);
            info!(topic = &*self.topic, partition = id, key = %request.key, "no longer parked");
        }
        for stopped in changes.settled.iter().filter_map(|settled| settled.stopped.as_ref()) {
            let (key, offset, reason) = (&request.key, stopped.offset, stopped.reason);
            warn!(topic = &*self.topic, partition = id, offset, %key, %reason, "stays parked: {}", stopped.message);
        }
        let keys = partition.parked.len() as i64;
        self.metrics.parked_keys.with_label_values(&[&id.to_string()]).set(keys);
    }
}

/// What becomes of one parked record.
async fn fate<P: Projection>(
    decoder: &Decoder<P::Event>,
    partition: &Partition,
    refused: &HashSet<EventId>,
    outcome: &mut Outcome<P::View>,
    request: &Request,
    parked: &ParkedRecord,
) -> Fate {
    if let Action::Discard { offsets, foreign, reason, actor } = &request.action
        && offsets.contains(&parked.record.offset)
    {
        let is_event = match read::event::<P::Event>(decoder, &parked.record).await {
            Ok(read) => read.is_ok(),
            Err(error) => return interrupted(request, &error),
        };
        return match discard(outcome, parked, is_event, *foreign, reason, actor) {
            Ok(()) => Fate::Released,
            Err(refused) => Fate::Stopped(refused),
        };
    }
    let event = match read::event::<P::Event>(decoder, &parked.record).await {
        Ok(Ok(event)) => event,
        Ok(Err(why)) => return Fate::Stopped(Refused::new(Reason::Undecodable, why)),
        Err(error) => return interrupted(request, &error),
    };
    match outcome.draft.fold::<P>(partition, refused, &parked.record, &event) {
        Ok(()) => Fate::Released,
        Err(refused) => Fate::Stopped(refused),
    }
}

fn interrupted(request: &Request, error: &DecodeError) -> Fate {
    info!(key = %request.key, "a redrive waits, the schema cannot be had: {}", told(error));
    Fate::Interrupted
}

/// Does without a record: the row passes over its version, and over missing ones before it.
fn discard<V: Clone + PartialEq>(
    outcome: &mut Outcome<V>,
    parked: &ParkedRecord,
    is_event: bool,
    foreign: bool,
    reason: &str,
    actor: &str,
) -> Result<(), Refused> {
    let (record, hints) = (&parked.record, &parked.hints);
    let mut decide = |offset, version| {
        let decided = Decided { partition: record.partition, offset, version };
        outcome.decided.push(decided.clone());
        let event_id = hints.event_id.filter(|_| offset.is_some());
        let (reason, actor) = (reason.to_owned(), actor.to_owned());
        outcome.changes.decisions.push(Decision { decided, event_id, reason, actor });
    };
    let (Some(key), Some(version), false) = (parked.row(), hints.version, foreign) else {
        decide(Some(record.offset), None);
        return Ok(());
    };
    let reached = outcome.draft.version(&key);
    if version <= reached {
        return Ok(()); // A duplicate; there is nothing to decide.
    }
    if !is_event && version > reached + 1 {
        // Only its headers say so, and they may be anybody's: to pass over versions that may yet come is a loss.
        let message = format!(
            "it says it is version {version} where {} is next, but it is no event: discard it as foreign",
            reached + 1
        );
        return Err(Refused::new(Reason::Undecodable, message));
    }
    if version - reached > PASSED_MAX {
        let message = format!("to pass from version {reached} to {version} is too much for one discard");
        return Err(Refused::new(Reason::Gap, message));
    }
    for passed in reached + 1..=version {
        let offset = (passed == version).then_some(record.offset);
        decide(offset, Some((key.tenant.clone(), key.aggregate_id, passed)));
    }
    let (occurred_at, recorded_at) = read::times(record);
    outcome.draft.pass(&key, version, Source { offset: record.offset, occurred_at, recorded_at });
    Ok(())
}
