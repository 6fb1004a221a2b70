//! The names of keys, and what names say.

use events::{AggregateId, TenantId};
use kafka::RowKey;
use projection::Projection;

/// The keys of one namespace: `<namespace>:{p<partition>}:…`. The braces are Redis' hash tag: in a cluster all keys of
/// a partition lie in one slot, so that one script may touch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    namespace: String,
}

/// Of which projection, in which edition, and of which topic a namespace is; of the first edition nothing is said.
pub(crate) fn of<P: Projection>(topic: &str) -> String {
    match P::EDITION {
        1 => format!("{} of {topic}", P::NAME),
        edition => format!("{} edition {edition} of {topic}", P::NAME),
    }
}

/// What a key says of its row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RowName {
    pub(crate) partition: i32,
    pub(crate) tenant: TenantId,
    pub(crate) aggregate_id: AggregateId,
}

impl Keys {
    pub(crate) fn new(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into() }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The keys of an edition that is not read: `next`, `kept`.
    pub(crate) fn aside(&self, which: &str) -> Self {
        Self::new(format!("{}~{which}", self.namespace))
    }

    /// The same key among others, and its partition.
    pub(crate) fn moved(&self, key: &str, to: &Self) -> Option<(i32, String)> {
        let rest = key.strip_prefix(self.namespace.as_str())?;
        let (partition, _) = rest.strip_prefix(":{p")?.split_once("}:")?;
        Some((partition.parse().ok()?, format!("{}{rest}", to.namespace)))
    }

    /// Epoch and next offset of a partition, and of which projection and topic it is.
    pub(crate) fn progress(&self, partition: i32) -> String {
        format!("{}:{{p{partition}}}:offset", self.namespace)
    }

    /// One view.
    pub(crate) fn row(&self, partition: i32, tenant: &TenantId, aggregate_id: AggregateId) -> String {
        format!("{}:{{p{partition}}}:row:{}", self.namespace, row_name(tenant, aggregate_id))
    }

    /// One partition's share of a leaderboard.
    pub(crate) fn board(&self, partition: i32, tenant: &TenantId, board: &str) -> String {
        format!("{}:{{p{partition}}}:board:{tenant}:{board}", self.namespace)
    }

    /// The finished views of a partition, by when they were finished.
    pub(crate) fn finished(&self, partition: i32) -> String {
        format!("{}:{{p{partition}}}:finished", self.namespace)
    }

    /// What changed in a partition.
    pub(crate) fn feed(&self, partition: i32) -> String {
        format!("{}:{{p{partition}}}:changes", self.namespace)
    }

    /// The pattern of all keys of a kind: `row`, `board`, `finished`.
    pub(crate) fn pattern(&self, kind: &str) -> String {
        format!("{}{kind}*", self.begin())
    }

    /// The pattern of all keys.
    pub(crate) fn all(&self) -> String {
        format!("{}*", self.begin())
    }

    /// How the pattern of every key begins.
    fn begin(&self) -> String {
        let mut pattern = String::new();
        for letter in self.namespace.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + ":{p*}:"
    }

    /// Reads [`row`](Self::row) backwards.
    pub(crate) fn row_name(&self, key: &str) -> Option<RowName> {
        let (partition, rest) = self.parts(key, "row")?;
        let RowKey { tenant, aggregate_id } = row_key(rest)?;
        Some(RowName { partition, tenant, aggregate_id })
    }

    /// Reads [`board`](Self::board) backwards: partition, tenant, board.
    pub(crate) fn board_name(&self, key: &str) -> Option<(i32, TenantId, String)> {
        let (partition, rest) = self.parts(key, "board")?;
        let (tenant, board) = rest.split_once(':')?;
        Some((partition, tenant.parse().ok()?, board.to_owned()))
    }

    fn parts<'k>(&self, key: &'k str, kind: &str) -> Option<(i32, &'k str)> {
        let rest = key.strip_prefix(self.namespace.as_str())?.strip_prefix(":{p")?;
        let (partition, rest) = rest.split_once("}:")?;
        Some((partition.parse().ok()?, rest.strip_prefix(kind)?.strip_prefix(':')?))
    }
}

/// A row among those of its partition.
pub(crate) fn row_name(tenant: &TenantId, aggregate_id: AggregateId) -> String {
    format!("{tenant}:{aggregate_id}")
}

/// Reads [`row_name`] backwards.
pub(crate) fn row_key(name: &str) -> Option<RowKey> {
    let (tenant, aggregate_id) = name.split_once(':')?;
    Some(RowKey { tenant: tenant.parse().ok()?, aggregate_id: aggregate_id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back() {
        let keys = Keys::new("executions-redis");
        let (tenant, aggregate_id) =
            ("acme".parse().unwrap(), "6f9c0000-0000-4000-8000-000000000001".parse().unwrap());
        let key = keys.row(7, &tenant, aggregate_id);
        assert_eq!(key, "executions-redis:{p7}:row:acme:6f9c0000-0000-4000-8000-000000000001");
        assert_eq!(keys.row_name(&key), Some(RowName { partition: 7, tenant: tenant.clone(), aggregate_id }));
        let key = keys.board(7, &tenant, "cost");
        assert_eq!(keys.board_name(&key), Some((7, tenant, "cost".to_owned())));
        assert_eq!(keys.row_name(&key), None);
        assert_eq!(Keys::new("executions").row_name(&key), None);
    }

    #[test]
    fn a_pattern_means_its_namespace_alone() {
        assert_eq!(Keys::new("a*b").pattern("row"), "a\\*b:{p*}:row*");
    }
}
