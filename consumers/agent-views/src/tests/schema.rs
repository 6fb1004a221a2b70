//! Tables and types say the same names.

use std::collections::BTreeSet;

use projection::Projection;
use projection::harness::given;

use super::histories::{id, recorded, started};
use crate::{EXECUTIONS_DEFINITION, ExecutionsPostgres};

/// The columns between the brackets of `create table <table> (`, but for those that come by `like`.
fn columns(table: &str, sql: &str) -> BTreeSet<String> {
    let body = sql.split_once(&format!("create table {table} (\n")).unwrap().1.split_once("\n)").unwrap().0;
    let names = body.lines().filter_map(|line| line.split_whitespace().next());
    let is_column = |name: &&str| !matches!(*name, "constraint" | "--" | "like");
    names.filter(is_column).map(str::to_owned).collect()
}

fn view_fields() -> BTreeSet<String> {
    let story = given::<ExecutionsPostgres>(recorded([started(1, "sympy", "google/gemini")]));
    let row = serde_json::to_value(story.view(id(1)).unwrap()).unwrap();
    row.as_object().unwrap().keys().cloned().collect()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn each_field_of_the_view_has_its_column() {
    let sql = EXECUTIONS_DEFINITION[0];
    assert!(sql.contains("    like projection_row including all,"), "what every table of views has: {sql}");
    assert_eq!(columns("execution", sql), view_fields());
}

#[test]
fn each_amount_has_its_column() {
    let story = given::<ExecutionsPostgres>(recorded([started(1, "sympy", "google/gemini")]));
    let contribution = ExecutionsPostgres::contribution(story.view(id(1)).unwrap()).unwrap();
    let mut expected = names(["tenant_id", "source_partition"]);
    expected.extend(contribution.group.iter().map(|(column, _)| (*column).to_owned()));
    expected.extend(contribution.amounts.iter().map(|(column, _)| (*column).to_owned()));
    assert_eq!(columns("execution_total", EXECUTIONS_DEFINITION[1]), expected);
}

#[test]
fn each_column_is_explained() {
    for (table, sql) in ["execution", "execution_total"].into_iter().zip(EXECUTIONS_DEFINITION) {
        for column in columns(table, sql) {
            assert!(sql.contains(&format!("comment on column {table}.{column} is '")), "{table}.{column}");
        }
    }
}
