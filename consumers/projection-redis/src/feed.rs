//! The feed of view changes as its readers see it.

use events::{AggregateId, TenantId};
use kafka::RowKey;
use projection::{Projection, Row};

use crate::error::Error;
use crate::keys::Keys;
use crate::reader::{Reader, command};

/// Most entries of a partition that are read at a time.
const ENTRIES_MAX: usize = 50;

/// A place in the feed: of each partition, the id of the last entry that was read.
pub type FeedPlace = Vec<String>;

/// A part of the feed.
///
/// Any program may read it: of partition `n` of the topic it is the stream `<namespace>:{p<n>}:changes`, in the partition's slot. What
/// one script changed of one tenant's rows is an entry of the fields `tenant` and `rows`: ids, each with the version that was
/// written behind it and blanks between (`6f9c… 3 018f… 12`). An entry with the field `mark` says that the feed begins. A partition's
/// entries lie in the order in which its rows changed; one that comes twice tells what is so. `MAXLEN ~` of the projector's
/// setting trims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// Up to here it was read.
    pub through: FeedPlace,
    /// There is more to be read at once.
    pub is_more: bool,
    /// Which rows of whom changed, each partition's in its order.
    pub changed: Vec<(TenantId, Vec<AggregateId>)>,
}

/// An entry: its id, its fields with their values.
type Entry = (String, Vec<(String, String)>);

impl<P: Projection> Reader<P> {
    /// The end of the feed; `None`: there is none, at least not of every partition.
    pub async fn feed_end(&mut self) -> Result<Option<FeedPlace>, Error> {
        let ends = (0..self.partitions)
            .map(|partition| command("XREVRANGE", self.keys.feed(partition), &["+", "-", "COUNT", "1"]));
        let last: Vec<Vec<Entry>> = self.link.query("read the end of the feed", ends.collect()).await?;
        Ok(last.into_iter().map(|mut entries| Some(entries.pop()?.0)).collect())
    }

    /// Whether all entries of a place are still there, and so is everything after them.
    pub async fn feed_has(&mut self, place: &[String]) -> Result<bool, Error> {
        let entries =
            (0..).zip(place).map(|(partition, id)| command("XRANGE", self.keys.feed(partition), &[id, id]));
        let found: Vec<Vec<Entry>> =
            self.link.query("look for a place in the feed", entries.collect()).await?;
        Ok(found.len() == self.partitions.unsigned_abs() as usize
            && found.iter().all(|entries| entries.len() == 1))
    }

    /// What comes after a place; `None`: the feed does not have that place any more.
    pub async fn feed_after(&mut self, place: &[String]) -> Result<Option<Fed>, Error> {
        let most = (ENTRIES_MAX + 1).to_string();
        let parts = (0..).zip(place).map(|(partition, id)| {
            command("XRANGE", self.keys.feed(partition), &[id.as_str(), "+", "COUNT", &most])
        });
        let read: Vec<Vec<Entry>> = self.link.query("read the feed", parts.collect()).await?;
        let mut fed = Fed { through: place.to_vec(), is_more: false, changed: Vec::new() };
        for (at, entries) in fed.through.iter_mut().zip(read) {
            fed.is_more |= entries.len() > ENTRIES_MAX;
            let mut entries = entries.into_iter();
            if entries.next().is_none_or(|(id, _)| id != *at) {
                return Ok(None);
            }
            for (id, fields) in entries {
                fed.changed.extend(changed(&self.keys, &fields)?);
                *at = id;
            }
        }
        Ok(Some(fed))
    }

    /// The rows of these aggregates, those that exist.
    pub async fn rows_of(
        &mut self,
        tenant: &TenantId,
        ids: &[AggregateId],
    ) -> Result<Vec<(AggregateId, Row<P::View>)>, Error> {
        let key = |id: &AggregateId| RowKey { tenant: tenant.clone(), aggregate_id: *id };
        let keys: Vec<_> = ids.iter().map(|id| (self.partition_of(*id), key(id))).collect();
        let loaded = self.load(&keys).await?.into_iter();
        Ok(loaded.map(|loaded| (loaded.key.aggregate_id, loaded.row)).collect())
    }
}

/// What an entry says, unless it is a mark.
fn changed(keys: &Keys, fields: &[(String, String)]) -> Result<Option<(TenantId, Vec<AggregateId>)>, Error> {
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    let (Some(tenant), Some(rows)) = (field("tenant"), field("rows")) else { return Ok(None) };
    let bad =
        || Error::BadAnswer { namespace: keys.namespace().to_owned(), answer: format!("{tenant} {rows}") };
    let ids = rows.split(' ').step_by(2).map(str::parse).collect::<Result<_, _>>().map_err(|_| bad())?;
    Ok(Some((tenant.parse().map_err(|_| bad())?, ids)))
}
