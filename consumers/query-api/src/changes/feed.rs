//! Where the feed of a view is read, and its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use events::{AggregateId, TenantId};
use futures::future::BoxFuture;
use projection_postgres::{Change, Readers, Relation, Versioned};

use crate::documents::Unread;

/// Most that is read of a feed at a time: what as many flushes changed.
const CHANGES_MAX: u32 = 200;

/// The feed of one projection. A place is a text that means something to the feed alone.
pub trait Feed: fmt::Debug + Send + Sync {
    /// Whether this text is a place.
    fn is_place(&self, text: &str) -> bool;

    /// The newest place that a tenant sees: whatever the feed says later comes after it. `None`: there is no feed.
    fn newest<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Option<String>, Unread>>;

    /// Whether a place that a tenant has seen is still there, and with it everything after it.
    fn has<'a>(&'a self, tenant: &'a TenantId, place: &'a str) -> BoxFuture<'a, Result<bool, Unread>>;

    /// What comes after a place, of these tenants: as far as one that somebody has seen, if one is named, or beyond. `None`: it is
    /// plain to see that the place is not there any more.
    fn read<'a>(
        &'a self,
        tenants: &'a [TenantId],
        after: &'a str,
        through: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Page>, Unread>>;

    /// The rows of these aggregates of a tenant, those that exist.
    fn rows<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [AggregateId],
    ) -> BoxFuture<'a, Result<Vec<(AggregateId, Versioned)>, Unread>>;
}

/// A part of a feed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Up to here it was read, if there was anything.
    pub through: Option<String>,
    /// There is more to be read at once.
    pub is_more: bool,
    /// What it says to each tenant that it says something to.
    pub told: BTreeMap<TenantId, Told>,
}

/// What a part of a feed says to one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// These rows changed.
    pub ids: BTreeSet<AggregateId>,
    /// Everything is to be read anew, and why.
    pub reset: Option<String>,
    /// Up to here; a place that the tenant sees.
    pub place: String,
}

/// The feed of a table's rows.
#[derive(Debug)]
pub(crate) struct TableFeed {
    pub(crate) readers: Readers,
    pub(crate) projection: &'static str,
    pub(crate) rows: Relation,
}

impl Feed for TableFeed {
    fn is_place(&self, text: &str) -> bool {
        place(text).is_ok()
    }

    fn newest<'a>(&'a self, tenant: &'a TenantId) -> BoxFuture<'a, Result<Option<String>, Unread>> {
        Box::pin(async move {
            let newest = self.readers.newest_change(self.projection, tenant).await?;
            Ok(newest.map(|place| place.to_string()))
        })
    }

    fn has<'a>(&'a self, tenant: &'a TenantId, at: &'a str) -> BoxFuture<'a, Result<bool, Unread>> {
        Box::pin(async move { Ok(self.readers.has_change(self.projection, tenant, place(at)?).await?) })
    }

    fn read<'a>(
        &'a self,
        tenants: &'a [TenantId],
        after: &'a str,
        through: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Page>, Unread>> {
        Box::pin(async move {
            let (after, through) = (place(after)?, through.map(place).transpose()?);
            let changes = self.readers.changes(self.projection, tenants, after, through, CHANGES_MAX).await?;
            Ok(Some(page(tenants, changes)))
        })
    }

    fn rows<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [AggregateId],
    ) -> BoxFuture<'a, Result<Vec<(AggregateId, Versioned)>, Unread>> {
        Box::pin(async move { Ok(self.readers.rows(&self.rows, tenant, ids).await?) })
    }
}

fn place(text: &str) -> Result<i64, std::num::ParseIntError> {
    text.parse()
}

/// What changes say, tenant by tenant.
fn page(tenants: &[TenantId], changes: Vec<Change>) -> Page {
    let mut page = Page { is_more: changes.len() >= CHANGES_MAX as usize, ..Page::default() };
    for Change { place, tenant, aggregate_ids, reset } in changes {
        let to = tenant.as_ref().map_or(tenants, std::slice::from_ref);
        for tenant in to {
            let told = page.told.entry(tenant.clone()).or_default();
            told.ids.extend(&aggregate_ids);
            told.reset = reset.clone().or(told.reset.take());
            told.place = place.to_string();
        }
        page.through = Some(place.to_string());
    }
    page
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_everybodys_is_told_to_everybody_and_the_rest_to_whose_it_is() {
        let [acme, globex]: [TenantId; 2] = ["acme", "globex"].map(|name| name.parse().unwrap());
        let ids = |ids: &[u128]| ids.iter().map(|n| AggregateId(Uuid::from_u128(*n))).collect::<Vec<_>>();
        let change = |place, tenant: Option<&TenantId>, changed: &[u128]| Change {
            place,
            tenant: tenant.cloned(),
            aggregate_ids: ids(changed),
            reset: None,
        };
        let tenants = [acme.clone(), globex.clone()];
        let changes =
            vec![change(3, None, &[]), change(5, Some(&acme), &[1, 2]), change(8, Some(&acme), &[2])];
        let page = page(&tenants, changes);
        assert_eq!((page.through.as_deref(), page.is_more), (Some("8"), false));
        let told = |place: &str, changed: &[u128]| Told {
            ids: ids(changed).into_iter().collect(),
            reset: None,
            place: place.to_owned(),
        };
        assert_eq!(page.told[&acme], told("8", &[1, 2]));
        assert_eq!(page.told[&globex], told("3", &[]), "a place that it sees");
    }
}
