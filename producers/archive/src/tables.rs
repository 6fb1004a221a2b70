//! The tables beside the events: which there are, in which order they can be filled, and which a backup leaves out.

use std::collections::BTreeSet;

use sqlx::{FromRow, PgConnection};

use crate::error::{Doing, Error};

/// Tables that no backup holds, and why.
const LEFT_OUT: [(&str, &str); 7] = [
    ("event_store", "has a file of its own"),
    ("outbox", "is on its way to Kafka; reconciling makes up for it"),
    ("cdc_heartbeat", "moves the slot, and means nothing else"),
    ("snapshot", "is derived from events"),
    ("pruned_aggregate", "is derived from pruned"),
    ("event_store_migration", "is what the migrations left, and compared by the manifest"),
    ("outbox_migration", "likewise"),
];

/// A table whose rows a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct TableFacts {
    pub(crate) name: String,
    readable: bool,
    after: Vec<String>,
    pub(crate) identities: Vec<String>,
    pub(crate) of_tenants: bool,
}

/// The tables in an order in which each comes behind those it refers to. Every one that is not left out on purpose has to
/// be readable as a whole: nothing is forgotten because somebody forgot a grant.
pub(crate) async fn tables(connection: &mut PgConnection) -> Result<Vec<TableFacts>, Error> {
    let found: Vec<TableFacts> = sqlx::query_as(include_str!("../queries/table_list.sql"))
        .fetch_all(connection)
        .await
        .doing("list the tables")?;
    let found = found.into_iter().filter(|table| LEFT_OUT.iter().all(|(name, _)| *name != table.name));
    in_order(found.collect())
}

/// Refuses tables of which rows could be missing.
pub(crate) fn readable(tables: &[TableFacts]) -> Result<(), Error> {
    match tables.iter().find(|table| !table.readable) {
        Some(table) => {
            let reason = "this role does not see every row of it; grant select and a policy using (true)";
            Err(Error::Unreadable { what: format!("table {}", table.name), reason: reason.into() })
        }
        None => Ok(()),
    }
}

fn in_order(mut left: Vec<TableFacts>) -> Result<Vec<TableFacts>, Error> {
    let mut ordered: Vec<TableFacts> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waiting: BTreeSet<_> = left.iter().map(|table| table.name.clone()).collect();
        let is_ready = |table: &TableFacts| table.after.iter().all(|other| !waiting.contains(other));
        let (ready, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(is_ready);
        if ready.is_empty() {
            let what = format!("the order of tables {waiting:?}");
            return Err(Error::Unreadable { what, reason: "they refer to each other in a circle".into() });
        }
        ordered.extend(ready);
        left = rest;
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, after: &[&str]) -> TableFacts {
        let after = after.iter().map(ToString::to_string).collect();
        TableFacts { name: name.into(), readable: true, after, identities: vec![], of_tenants: true }
    }

    #[test]
    fn a_table_comes_behind_those_it_refers_to() {
        let ordered = in_order(vec![table("a", &["c"]), table("b", &["a", "elsewhere"]), table("c", &[])]);
        let names: Vec<_> = ordered.unwrap().into_iter().map(|table| table.name).collect();
        assert_eq!(names, ["c", "a", "b"]);
        assert!(in_order(vec![table("a", &["b"]), table("b", &["a"])]).is_err());
    }

    #[test]
    fn a_table_that_is_not_seen_whole_is_refused_by_name() {
        let hidden = TableFacts { readable: false, ..table("secret", &[]) };
        assert!(readable(&[table("a", &[]), hidden]).unwrap_err().to_string().contains("table secret"));
    }
}
