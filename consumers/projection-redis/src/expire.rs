//! Finished views go after a while.

use std::time::{SystemTime, UNIX_EPOCH};

use kafka::{Loaded, RowKey, ViewStore};
use projection::Projection;
use redis::Cmd;

use crate::error::Error;
use crate::flush::{self, ROWS_PER_SCRIPT};
use crate::keys::{row_key, row_name};
use crate::reader::command;
use crate::store::RedisViews;

/// So many scripts of each partition run at a time; what is left then goes the next time.
const ROUNDS_MAX: usize = 5;

impl<P: Projection> RedisViews<P> {
    /// Lets go of what was finished long enough ago. Answers the partitions that are no longer ours.
    pub(crate) async fn expire(&mut self, partitions: &[i32]) -> Result<Vec<i32>, Error> {
        let Some(ttl) = self.finished_ttl else { return Ok(vec![]) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = now.saturating_sub(ttl).as_millis().to_string();
        let limit = ROWS_PER_SCRIPT.to_string();
        let mut held: Vec<i32> =
            partitions.iter().copied().filter(|partition| self.held.contains_key(partition)).collect();
        let mut fenced = vec![];
        for _ in 0..ROUNDS_MAX {
            let due = ["-inf", &until, "BYSCORE", "LIMIT", "0", &limit];
            let ask = held.iter().map(|partition| command("ZRANGE", self.keys.finished(*partition), &due));
            let named: Vec<Vec<String>> = self.link.query("look for finished views", ask.collect()).await?;
            let (mut calls, mut of_call) = (vec![], vec![]);
            for (partition, names) in held.drain(..).zip(named).filter(|(_, names)| !names.is_empty()) {
                let keys = names.iter().map(|name| {
                    let key = row_key(name).ok_or_else(|| self.bad_answer(name))?;
                    Ok((partition, key))
                });
                let keys = keys.collect::<Result<Vec<_>, Error>>()?;
                let rows = self.load(&keys).await?;
                calls.push(self.expiry(partition, &keys, &rows));
                of_call.push((partition, names.len() == ROWS_PER_SCRIPT));
            }
            let answers: Vec<(String, String)> =
                self.link.run("let finished views go", &self.scripts.expire, &calls).await?;
            for ((partition, is_more), (word, _)) in of_call.into_iter().zip(answers) {
                match word.as_str() {
                    "expired" if is_more => held.push(partition),
                    "expired" => {}
                    _ => fenced.push(partition),
                }
            }
            if held.is_empty() {
                break;
            }
        }
        self.forget(fenced.iter().copied());
        Ok(fenced)
    }

    /// The call that lets go of some finished views of a partition.
    fn expiry(&self, partition: i32, keys: &[(i32, RowKey)], rows: &[Loaded<P::View>]) -> Cmd {
        let mut names = vec![self.keys.progress(partition)];
        names.extend(keys.iter().map(|(_, key)| self.keys.row(partition, &key.tenant, key.aggregate_id)));
        let mut boards: Vec<String> = vec![];
        let mut arguments: Vec<String> = vec![];
        for (_, key) in keys {
            let row = rows.iter().find(|loaded| loaded.key == *key).map(|loaded| &loaded.row);
            let rank = row.and_then(|row| row.view.as_ref()).and_then(P::rank);
            let leave = rank.map_or(0, |rank| {
                flush::number(&mut boards, self.keys.board(partition, &key.tenant, rank.board))
            });
            arguments.extend([
                row.map_or(0, |row| row.version).to_string(),
                row_name(&key.tenant, key.aggregate_id),
                key.aggregate_id.to_string(),
                leave.to_string(),
            ]);
        }
        names.extend(boards);
        names.extend([self.keys.finished(partition), self.keys.feed(partition)]);
        let epoch = self.held.get(&partition).map_or(0, |standing| standing.epoch);
        let mut call = self.scripts.expire.call(&names);
        call.arg(epoch).arg(keys.len()).arg(self.feed_entries).arg(arguments);
        if self.feed_entries > 0 {
            flush::tell(&mut call, rows.iter().map(|loaded| (&loaded.key, loaded.row.version)));
        }
        call
    }
}
