//! Numbers over many rows against the rows.

use std::collections::BTreeMap;

use events::{AggregateId, TenantId};
use projection::{Contribution, Rank};

use crate::finding::{Finding, Findings, Kind, Stage};

/// Tenant, then column and value of each grouping key in the order of columns.
type Group = (TenantId, Vec<(String, String)>);

/// Totals and leaderboards: as the sink keeps them, and as its rows add up.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    /// Column to what is kept, less what the rows say.
    totals: BTreeMap<Group, BTreeMap<String, i128>>,
    kept_ranks: BTreeMap<(TenantId, String, AggregateId), i64>,
    true_ranks: BTreeMap<(TenantId, String, AggregateId), i64>,
}

impl Sums {
    /// What one row adds.
    pub(crate) fn row(
        &mut self,
        tenant: &TenantId,
        aggregate: AggregateId,
        contribution: Option<Contribution>,
        rank: Option<Rank>,
    ) {
        if let Some(Contribution { group, amounts }) = contribution {
            let group = group.into_iter().map(|(column, value)| (column.to_owned(), value)).collect();
            let amounts = amounts.into_iter().map(|(column, amount)| (column.to_owned(), amount));
            self.add(tenant, group, amounts, -1);
        }
        if let Some(Rank { board, score }) = rank {
            self.true_ranks.insert((tenant.clone(), board.to_owned(), aggregate), score);
        }
    }

    /// A kept total, or a partition's share of it.
    pub(crate) fn total(
        &mut self,
        tenant: &TenantId,
        group: Vec<(String, String)>,
        amounts: impl IntoIterator<Item = (String, i64)>,
    ) {
        self.add(tenant, group, amounts, 1);
    }

    /// A kept place on a leaderboard.
    pub(crate) fn rank(
        &mut self,
        tenant: &TenantId,
        board: &str,
        aggregate: AggregateId,
        score: i64,
    ) -> bool {
        self.kept_ranks.insert((tenant.clone(), board.to_owned(), aggregate), score).is_none()
    }

    fn add(
        &mut self,
        tenant: &TenantId,
        mut group: Vec<(String, String)>,
        amounts: impl IntoIterator<Item = (String, i64)>,
        sign: i128,
    ) {
        group.sort_unstable();
        let sums = self.totals.entry((tenant.clone(), group)).or_default();
        for (column, amount) in amounts {
            *sums.entry(column).or_default() += sign * i128::from(amount);
        }
    }

    /// Compares; returns how many totals and how many places there are.
    pub(crate) fn finish(self, stage: Stage, findings: &mut Findings) -> (usize, usize) {
        for ((tenant, group), differences) in &self.totals {
            let group: Vec<_> = group.iter().map(|(column, value)| format!("{column}={value}")).collect();
            for (column, difference) in differences.iter().filter(|(_, difference)| **difference != 0) {
                let detail =
                    format!("total {column} of {} differs from its rows by {difference:+}", group.join(" "));
                findings.add(Finding {
                    tenant: Some(tenant.clone()),
                    ..Finding::new(stage, Kind::Diverged, detail)
                });
            }
        }
        for (key, score) in &self.true_ranks {
            compare_place(
                stage,
                (&key.0, key.2),
                &key.1,
                *score,
                self.kept_ranks.get(key).copied(),
                findings,
            );
        }
        for (key, score) in self.kept_ranks.iter().filter(|(key, _)| !self.true_ranks.contains_key(key)) {
            let detail = format!("on leaderboard {} with score {score}", key.1);
            findings.add(place(stage, (&key.0, key.2), Kind::Foreign, detail));
        }
        (self.totals.len(), self.kept_ranks.len())
    }
}

/// Compares one place on a leaderboard with the score that the row has.
pub(crate) fn compare_place(
    stage: Stage,
    whose: (&TenantId, AggregateId),
    board: &str,
    score: i64,
    kept: Option<i64>,
    findings: &mut Findings,
) {
    match kept {
        None => {
            let detail = format!("not on leaderboard {board}, score {score}");
            findings.add(place(stage, whose, Kind::Missing, detail));
        }
        Some(kept) if kept != score => {
            let detail = format!("score {kept} on leaderboard {board}, not {score}");
            findings.add(place(stage, whose, Kind::Diverged, detail));
        }
        Some(_) => {}
    }
}

fn place(
    stage: Stage,
    (tenant, aggregate_id): (&TenantId, AggregateId),
    kind: Kind,
    detail: String,
) -> Finding {
    let (tenant, aggregate_id) = (Some(tenant.clone()), Some(aggregate_id));
    Finding { tenant, aggregate_id, ..Finding::new(stage, kind, detail) }
}
