//! Every value comes back as it went in, by whichever way its row is written.

use std::collections::BTreeMap;

use events::{AggregateId, Recorded, Sum, Timestamp};
use futures::TryStreamExt;
use kafka::conformance::Tally;
use kafka::{Changes, Progress, RowChange, RowKey, Source, ViewStore};
use projection::{Moment, Projection, Refusal, Row};
use projection_postgres::{Definition, PostgresViews, Tables, scan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::sink::config_of;

const TOPIC: &str = "values";

/// Fewer rows than go by COPY, and more.
const FEW_AND_MANY: [u64; 2] = [7, 120];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wide {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    count: i64,
    share: f64,
    is_on: bool,
    at: Moment,
    id: Uuid,
    kind: Kind,
    any: Value,
    #[serde(rename = "Parts in order")]
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    AtRest,
    OnTheMove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Part {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tagged {
    tags: Vec<String>,
}

/// A projection of views that a test makes up.
macro_rules! projection {
    ($projection:ident, $view:ty, $name:literal) => {
        #[derive(Debug)]
        struct $projection;

        impl Projection for $projection {
            const NAME: &'static str = $name;
            type Event = <Tally as Projection>::Event;
            type View = $view;

            fn apply(_: Option<$view>, _: &Recorded<Self::Event>) -> Result<Option<$view>, Refusal> {
                Err(Refusal::new("no event is to come"))
            }
        }
    };
}

projection!(WideViews, Wide, "wide");
projection!(TaggedViews, Tagged, "tagged");

/// Texts that a form of writing rows may take for something else.
const TEXTS: [&str; 12] = [
    "",
    "plain",
    "\\N",
    "\\.",
    "a\tb",
    "a\nb\r\n",
    "\\t \\\\ \\x41",
    "\"quoted\", {braced}",
    "null",
    "é 漢 🦀",
    "\u{1}\u{7f}",
    "'; drop table wide; --",
];

fn wide(n: u64) -> Wide {
    let text = TEXTS[n as usize % TEXTS.len()];
    let anything = [json!(null), json!(text), json!({ "a": [1, text] }), json!(true), json!(-1.5)];
    Wide {
        text: text.to_owned(),
        note: (!n.is_multiple_of(3)).then(|| text.to_owned()),
        count: [0, i64::MIN, i64::MAX][n as usize % 3],
        share: [0.1, -1e300, 5e-324][n as usize % 3],
        is_on: n.is_multiple_of(2),
        at: Timestamp::from_micros(1_700_000_000_123_456 + n.cast_signed()).try_into().unwrap(),
        id: Uuid::from_u128(n.into()),
        kind: if n.is_multiple_of(2) { Kind::AtRest } else { Kind::OnTheMove },
        any: anything[n as usize % anything.len()].clone(),
        parts: TEXTS[..n as usize % 3].iter().map(|name| Part { name: (*name).to_owned() }).collect(),
    }
}

/// Writes rows, then writes half of them anew and deletes the rest; answers what should be there, and what is, after each.
async fn written<P: Projection>(
    definition: &'static str,
    rows: u64,
    view: impl Fn(u64) -> P::View,
) -> Vec<[BTreeMap<RowKey, Row<P::View>>; 2]> {
    let database = testkit::views_database().await;
    let mut owner = PgConnection::connect(&database.url("owner")).await.unwrap();
    projection_postgres::migrate(&mut owner, &[Definition::of::<P>(&[definition])]).await.unwrap();
    let tables = Tables { view: P::NAME, totals: None };
    let mut store = PostgresViews::<P>::open(&config_of(&database), tables).await.unwrap();
    let epoch = store.claim(TOPIC, &[0]).await.unwrap()[0].epoch;
    let key = |n: u64| RowKey {
        tenant: "acme".parse().unwrap(),
        aggregate_id: AggregateId(Uuid::from_u128(n.into())),
    };
    let mut reader = PgConnection::connect(&database.url("views_writer")).await.unwrap();
    let (mut seen, mut expected) = (vec![], BTreeMap::<RowKey, Row<P::View>>::new());
    for version in [1_u64, 2] {
        let mut changes = Changes::new(TOPIC.into());
        let from = version.cast_signed() - 1;
        let next_offset = from + 1;
        changes.progress.push(Progress { partition: 0, epoch, from, next_offset, fingerprint: None });
        for n in 0..rows {
            let stays = version == 1 || n.is_multiple_of(2);
            let sum = Sum::from_bytes(u128::from(version).to_be_bytes());
            let new = Row { version, view: stays.then(|| view(n + version)), sum, ..Row::default() };
            let old = expected.insert(key(n), new.clone()).unwrap_or_default();
            let (occurred_at, recorded_at) = (Timestamp::from_micros(1), Timestamp::from_micros(2));
            let last = Source { offset: from, occurred_at, recorded_at };
            changes.rows.push(RowChange {
                key: key(n),
                partition: 0,
                old: old.into(),
                new: new.into(),
                last,
            });
        }
        store.commit(&changes).await.unwrap();
        let found = scan::<P::View>(&mut reader, P::NAME).await.unwrap();
        let found = found.map_ok(|row| (row.key, row.row)).try_collect().await.unwrap();
        seen.push([expected.clone(), found]);
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_comes_back_from_few_rows_and_from_many() {
    let definition = r#"create table wide (
        like projection_row including all, text text, note text, count bigint, share double precision, is_on boolean,
        at timestamptz, id uuid, kind text, "any" jsonb, "Parts in order" json);"#;
    for rows in FEW_AND_MANY {
        for [expected, found] in written::<WideViews>(definition, rows, wide).await {
            assert_eq!(found, expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_arrays_takes_many_rows_too() {
    let definition = "create table tagged (like projection_row including all, tags text[]);";
    let view =
        |n: u64| Tagged { tags: TEXTS[..n as usize % 4].iter().map(|tag| (*tag).to_owned()).collect() };
    for rows in FEW_AND_MANY {
        for [expected, found] in written::<TaggedViews>(definition, rows, view).await {
            assert_eq!(found, expected);
        }
    }
}
