//! The publication: which rows of which tables the slot's reader is sent.

use sqlx::{FromRow, PgConnection};

use crate::error::{Doing, Error};

/// The publication's name, as in `connectors/debezium/outbox.json`.
pub const PUBLICATION: &str = "outbox";

/// What has to be published, and nothing else.
const TABLES: [&str; 2] = ["public.cdc_heartbeat", "public.outbox"];

/// What is true of a publication.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// Whether every table is published, those of tomorrow as well.
    pub all_tables: bool,
    /// Whether rows of partitions are told as the partitioned table's.
    pub via_partition_root: bool,
    /// Whether inserts are published.
    pub insert: bool,
    /// Whether updates are published.
    pub update: bool,
    /// The tables, with their schema, by name. Without `via_partition_root` these are partitions.
    pub tables: Vec<String>,
    /// Those of them of which some rows or columns are left out.
    pub narrowed: Vec<String>,
}

/// Something about a publication that loses events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which of its settings.
    pub setting: &'static str,
    /// What it is.
    pub value: String,
    /// What comes of it.
    pub reason: &'static str,
    /// The statement that mends it, as `owner`.
    pub instead: String,
}

/// What is true of the publication of that name; `None`: there is none. Any role may ask.
pub async fn publication(connection: &mut PgConnection, name: &str) -> Result<Option<Publication>, Error> {
    sqlx::query_as(include_str!("../queries/publication_get.sql"))
        .bind(name)
        .fetch_optional(connection)
        .await
        .doing(format!("look at publication {name}"))
}

impl Publication {
    /// What about it loses events, by setting.
    pub fn flaws(&self) -> Vec<Flaw> {
        let Self { name, all_tables, via_partition_root, insert, update, tables, narrowed } = self;
        let set = |what: &str| format!("alter publication {name} set ({what})");
        let again = format!("alter publication {name} set table outbox, cdc_heartbeat");
        let mut flaws = vec![];
        let mut flaw = |is_wrong: bool, setting, value: String, reason, instead: String| {
            if is_wrong {
                flaws.push(Flaw { setting, value, reason, instead });
            }
        };
        let through_root =
            "rows are told as their partition's, which the connector does not capture: they pass by";
        flaw(
            !via_partition_root,
            "publish_via_partition_root",
            via_partition_root.to_string(),
            through_root,
            set("publish_via_partition_root = true"),
        );
        let operations = [(*insert, "insert"), (*update, "update")];
        let published: Vec<_> =
            operations.iter().filter(|(is_on, _)| *is_on).map(|(_, name)| *name).collect();
        flaw(
            !insert || !update,
            "publish",
            published.join(", "),
            "inserts are the events, updates the heartbeat that moves the slot",
            set("publish = 'insert, update'"),
        );
        // Which tables these are is told wrong by the first flaw, so it is not told twice.
        flaw(
            *all_tables || (*via_partition_root && *tables != TABLES),
            "tables",
            if *all_tables { "all tables".to_owned() } else { tables.join(", ") },
            "without the outbox no event is sent, without the heartbeat the slot stands still, and others only cost",
            if *all_tables {
                format!("drop it and make it for {}", TABLES.join(", "))
            } else {
                again.clone()
            },
        );
        flaw(
            !narrowed.is_empty(),
            "tables",
            format!("only some rows or columns of {}", narrowed.join(", ")),
            "events whose rows are left out are lost",
            again,
        );
        flaws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> Publication {
        Publication {
            name: "outbox".into(),
            all_tables: false,
            via_partition_root: true,
            insert: true,
            update: true,
            tables: TABLES.map(str::to_owned).into(),
            narrowed: vec![],
        }
    }

    fn named(publication: &Publication) -> Vec<(&'static str, String)> {
        publication.flaws().into_iter().map(|flaw| (flaw.setting, flaw.value)).collect()
    }

    #[test]
    fn the_publication_of_the_migrations_has_no_flaw() {
        assert_eq!(committed().flaws(), []);
    }

    #[test]
    fn each_way_to_lose_events_is_named() {
        let partitions = Publication {
            via_partition_root: false,
            tables: vec!["public.outbox_20251119".into()],
            ..committed()
        };
        assert_eq!(named(&partitions), [("publish_via_partition_root", "false".to_owned())]);
        let silent = Publication { update: false, ..committed() };
        assert_eq!(named(&silent), [("publish", "insert".to_owned())]);
        let all = Publication { all_tables: true, ..committed() };
        assert_eq!(named(&all), [("tables", "all tables".to_owned())]);
        let less = Publication { tables: vec!["public.outbox".into()], ..committed() };
        assert_eq!(named(&less), [("tables", "public.outbox".to_owned())]);
        let narrowed = Publication { narrowed: vec!["outbox".into()], ..committed() };
        assert_eq!(named(&narrowed), [("tables", "only some rows or columns of outbox".to_owned())]);
    }
}
