//! What one row adds to numbers over many rows.

/// One row's share of a total: sums of `amounts` grouped by `group` (and always by tenant).
///
/// A sink keeps totals per partition from the difference between the old and the new share, in the transaction that
/// writes the row; readers sum the partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contribution {
    /// Column and value of each grouping key, such as `("repository", "django")`.
    pub group: Vec<(&'static str, String)>,
    /// Column and amount of each sum.
    pub amounts: Vec<(&'static str, i64)>,
}

/// One row's place on a leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rank {
    /// The board's name, such as `cost`.
    pub board: &'static str,
    /// Its score, an absolute value below 2^53 (Redis keeps scores as doubles).
    pub score: i64,
}
