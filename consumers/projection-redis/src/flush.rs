//! Changes as calls of the flush script.

use std::collections::BTreeMap;

use events::AggregateId;
use kafka::{Fingerprint, Progress, RowChange, RowKey};
use projection::{Projection, Rank};
use redis::Cmd;

use crate::error::Error;
use crate::keys::{Keys, row_name};
use crate::scripts::Code;

/// So many rows go into one script: about a millisecond and a half in which Redis does nothing else.
pub(crate) const ROWS_PER_SCRIPT: usize = 200;

/// A Redis score is a double: whole numbers are exact up to here.
const SCORE_MAX: u64 = 1 << 53;

/// The calls for one partition, in their order; the last moves the offset.
pub(crate) fn calls<P: Projection>(
    keys: &Keys,
    flush: &Code,
    feed_entries: u32,
    progress: Progress,
    parkings: i64,
    rows: &[&RowChange<P::View>],
) -> Result<Vec<Cmd>, Error> {
    let mut chunks: Vec<&[&RowChange<P::View>]> = rows.chunks(ROWS_PER_SCRIPT).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let last = chunks.len() - 1;
    let call = |(place, rows): (usize, &&[&RowChange<P::View>])| {
        call::<P>(keys, flush, feed_entries, progress, parkings, rows, place == last)
    };
    chunks.iter().enumerate().map(call).collect()
}

fn call<P: Projection>(
    keys: &Keys,
    flush: &Code,
    feed_entries: u32,
    progress: Progress,
    parkings: i64,
    rows: &[&RowChange<P::View>],
    last: bool,
) -> Result<Cmd, Error> {
    let partition = progress.partition;
    let mut names = vec![keys.progress(partition)];
    names.extend(rows.iter().map(|row| keys.row(partition, &row.key.tenant, row.key.aggregate_id)));
    let mut boards: Vec<String> = Vec::new();
    let changes =
        rows.iter().map(|row| Change::of::<P>(keys, row, &mut boards)).collect::<Result<Vec<_>, _>>()?;
    names.extend(boards);
    names.extend([keys.finished(partition), keys.feed(partition)]);

    let mut call = flush.call(&names);
    call.arg(progress.epoch)
        .arg(progress.from)
        .arg(progress.next_offset)
        .arg(i64::from(last))
        .arg(rows.len())
        .arg(feed_entries)
        .arg(last_record(&progress))
        .arg(parkings);
    for (row, change) in rows.iter().zip(changes) {
        call.arg(row.old.version).arg(row.new.version).arg(row.new.sum.to_string());
        call.arg(change.document).arg(change.member);
        call.arg(change.leave).arg(change.be_on).arg(change.score);
        call.arg(change.name).arg(change.finished_ms.map_or_else(String::new, |ms| ms.to_string()));
    }
    if feed_entries > 0 {
        tell(&mut call, rows.iter().map(|row| (&row.key, row.new.version)));
    }
    Ok(call)
}

/// The last arguments: which rows the feed is told of.
pub(crate) fn tell<'a>(call: &mut Cmd, rows: impl Iterator<Item = (&'a RowKey, u64)>) {
    let mut changed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, version) in rows {
        changed.entry(key.tenant.as_str()).or_default().push(format!("{} {version}", key.aggregate_id));
    }
    for (tenant, rows) in changed {
        call.arg(tenant).arg(rows.join(" "));
    }
}

/// Offset and fingerprint of the record before the next, as [`fingerprint`] reads them.
fn last_record(progress: &Progress) -> String {
    let offset = progress.next_offset - 1;
    progress.fingerprint.map_or_else(String::new, |Fingerprint(number)| format!("{offset} {number}"))
}

/// What the record before `next_offset` was, if that is the one that is spoken of.
pub(crate) fn fingerprint(last_record: &str, next_offset: i64) -> Option<Fingerprint> {
    let (offset, number) = last_record.split_once(' ')?;
    let is_meant = offset.parse() == Ok(next_offset - 1);
    number.parse().ok().filter(|_| is_meant).map(Fingerprint)
}

/// One row's arguments.
struct Change {
    document: String,
    member: String,
    leave: usize,
    be_on: usize,
    score: i64,
    /// Among the finished views; empty: it is none and was none.
    name: String,
    finished_ms: Option<i64>,
}

impl Change {
    fn of<P: Projection>(
        keys: &Keys,
        row: &RowChange<P::View>,
        boards: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let aggregate_id = row.key.aggregate_id;
        let old = row.old.view.as_ref().and_then(P::rank);
        let new =
            row.new.view.as_ref().and_then(P::rank).map(|rank| exact(rank, aggregate_id)).transpose()?;
        let mut number =
            |board: &'static str| number(boards, keys.board(row.partition, &row.key.tenant, board));
        let [was_finished, is_finished] =
            [&row.old, &row.new].map(|row| row.view.as_ref().and_then(P::finished_at));
        let name = was_finished.or(is_finished).map(|_| row_name(&row.key.tenant, aggregate_id));
        let left = old.filter(|old| new.as_ref().is_none_or(|new| new.board != old.board));
        let document = row.new.view.as_ref().map(serde_json::to_string).transpose();
        Ok(Self {
            document: document
                .map_err(|error| unstorable(aggregate_id, error.to_string()))?
                .unwrap_or_default(),
            member: aggregate_id.to_string(),
            leave: left.map_or(0, |rank| number(rank.board)),
            be_on: new.as_ref().map_or(0, |rank| number(rank.board)),
            score: new.map_or(0, |rank| rank.score),
            name: name.unwrap_or_default(),
            finished_ms: is_finished.map(|moment| moment.micros() / 1_000),
        })
    }
}

/// The number of a leaderboard among these, counted from 1.
pub(crate) fn number(boards: &mut Vec<String>, name: String) -> usize {
    1 + boards.iter().position(|known| *known == name).unwrap_or_else(|| {
        boards.push(name);
        boards.len() - 1
    })
}

fn exact(rank: Rank, aggregate_id: AggregateId) -> Result<Rank, Error> {
    if rank.score.unsigned_abs() <= SCORE_MAX {
        return Ok(rank);
    }
    let reason = format!("no leaderboard holds a score of {} exactly", rank.score);
    Err(unstorable(aggregate_id, reason))
}

fn unstorable(aggregate_id: AggregateId, reason: String) -> Error {
    Error::Unstorable { aggregate_id, reason }
}
