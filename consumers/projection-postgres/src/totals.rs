//! Totals over many rows, moved by the difference that each changed row makes.

use std::collections::BTreeMap;

use events::TenantId;
use kafka::RowChange;
use projection::{Contribution, Projection};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::Error;
use crate::table::{Column, columns, listed};

/// The columns of every totals table that say whose share a row is.
pub(crate) const OWNER: [&str; 2] = ["tenant_id", "source_partition"];

/// The statement of one totals table.
#[derive(Debug)]
pub(crate) struct TotalsTable {
    name: String,
    /// The grouping keys beside tenant and partition.
    groups: Vec<String>,
    amounts: Vec<String>,
    add: String,
}

/// One row of totals: tenant, partition, and the values of the grouping keys.
type Group = (TenantId, i32, Vec<(&'static str, String)>);
type Sums = BTreeMap<&'static str, i128>;

impl TotalsTable {
    /// Reads the columns: the primary key groups, everything else is summed.
    pub(crate) async fn open(connection: &mut PgConnection, table: &str) -> Result<Self, Error> {
        let all = columns(connection, table).await?;
        for column in OWNER {
            if !all.iter().any(|c| c.name == column && c.is_key) {
                return Err(Error::NoStandardColumn { table: table.to_owned(), column });
            }
        }
        let own: Vec<&Column> = all.iter().filter(|c| !OWNER.contains(&c.name.as_str())).collect();
        let key: Vec<String> = all.iter().filter(|c| c.is_key).map(Column::quoted).collect();
        let sum = |c: &&&Column| {
            let name = c.quoted();
            format!("{name} = t.{name} + excluded.{name}")
        };
        let sums: Vec<String> = own.iter().filter(|c| !c.is_key).map(|c| sum(&c)).collect();
        let add = include_str!("../queries/total_add.sql")
            .replace("{table}", table)
            .replace("{columns}", &listed(own.iter().copied(), |_, name| name.to_owned()))
            .replace("{x_columns}", &listed(own.iter().copied(), |_, name| format!("x.{name}")))
            .replace("{typed_columns}", &listed(own.iter().copied(), |c, name| format!("{name} {}", c.kind)))
            .replace("{key}", &key.join(", "))
            .replace("{sums}", &sums.join(", "));
        let named = |is_key| own.iter().filter(|c| c.is_key == is_key).map(|c| c.name.clone()).collect();
        Ok(Self { name: table.to_owned(), groups: named(true), amounts: named(false), add })
    }

    /// Adds what the changed rows contribute now, and takes away what they did before.
    pub(crate) async fn add<'c, P: Projection>(
        &self,
        connection: &mut PgConnection,
        changes: impl Iterator<Item = &'c RowChange<P::View>>,
    ) -> Result<(), Error> {
        let mut totals: BTreeMap<Group, Sums> = BTreeMap::new();
        for change in changes {
            for (view, sign) in [(&change.old.view, -1), (&change.new.view, 1)] {
                let Some(contribution) = view.as_ref().and_then(P::contribution) else { continue };
                self.check(&contribution)?;
                let group = (change.key.tenant.clone(), change.partition, contribution.group);
                let sums = totals.entry(group).or_default();
                for (amount, value) in contribution.amounts {
                    *sums.entry(amount).or_default() += i128::from(value) * sign;
                }
            }
        }
        let rows = totals
            .into_iter()
            .filter(|(_, sums)| sums.values().any(|sum| *sum != 0))
            .map(|(group, sums)| self.document(group, sums))
            .collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        let text = Value::Array(rows).to_string();
        sqlx::query(AssertSqlSafe(self.add.as_str()))
            .bind(text)
            .execute(connection)
            .await
            .map(drop)
            .map_err(Error::sql("add to", &self.name))
    }

    fn document(&self, (tenant, partition, group): Group, sums: Sums) -> Result<Value, Error> {
        let mut document = Map::new();
        document.insert("tenant_id".into(), tenant.as_str().into());
        document.insert("source_partition".into(), partition.into());
        for (name, value) in group {
            document.insert(name.into(), value.into());
        }
        for (amount, sum) in sums {
            let sum = i64::try_from(sum).map_err(|_| Error::Overflow { table: self.name.clone(), amount })?;
            document.insert(amount.into(), sum.into());
        }
        Ok(Value::Object(document))
    }

    fn check(&self, contribution: &Contribution) -> Result<(), Error> {
        let groups = contribution.group.iter().all(|(name, _)| self.groups.iter().any(|g| g == name));
        let amounts = contribution.amounts.iter().all(|(name, _)| self.amounts.iter().any(|a| a == name));
        let complete =
            contribution.group.len() == self.groups.len() && contribution.amounts.len() == self.amounts.len();
        if groups && amounts && complete {
            return Ok(());
        }
        let names = contribution.group.iter().map(|(name, _)| *name);
        let names = names.chain(contribution.amounts.iter().map(|(name, _)| *name));
        Err(Error::Totals {
            table: self.name.clone(),
            expected: self.amounts.clone(),
            by: self.groups.clone(),
            found: names.map(str::to_owned).collect(),
        })
    }
}
