//! Rows as the sink has them, kept so that an aggregate's next event needs no read.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use projection::Row;

use crate::store::RowKey;

/// Bounded, least recently used first out. Coherent because only the fenced owner of a partition writes its rows;
/// so what belongs to a partition goes when the partition does, and everything goes when the sink's state is in doubt.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    rows: LruCache<RowKey, Kept<V>>,
}

/// A row and whose events made it; `None`: there is no row yet.
#[derive(Debug, Clone)]
pub(crate) struct Kept<V> {
    pub(crate) partition: Option<i32>,
    pub(crate) row: Arc<Row<V>>,
    /// The partition that read it, which is where it is forgotten with.
    pub(crate) reader: i32,
}

impl<V> Cache<V> {
    pub(crate) fn new(rows_max: usize) -> Self {
        Self { rows: LruCache::new(NonZeroUsize::new(rows_max).unwrap_or(NonZeroUsize::MIN)) }
    }

    pub(crate) fn get(&mut self, key: &RowKey) -> Option<&Kept<V>> {
        self.rows.get(key)
    }

    pub(crate) fn put(&mut self, key: RowKey, kept: Kept<V>) {
        self.rows.put(key, kept);
    }

    pub(crate) fn forget(&mut self, partition: i32) {
        let gone: Vec<RowKey> = self
            .rows
            .iter()
            .filter(|(_, kept)| kept.reader == partition)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.rows.pop(&key);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}
