//! What a reader asks, as a statement.

use super::relation::{DELETED_AT, Relation, RelationColumn};
use crate::table;

/// Which rows of a relation, in which order, and what of them. Columns are names that the relation has; values are texts that
/// their columns read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// All of these hold.
    pub filters: Vec<Filter>,
    /// What rows are sorted by, before the relation's key.
    pub order: Vec<Order>,
    /// The place of the row that the page begins after.
    pub after: Option<Vec<Option<String>>>,
    /// Most rows.
    pub limit: u32,
    /// What is shown of each row; everything where nothing is named.
    pub shown: Vec<String>,
}

/// What a row has to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// In this column.
    pub column: String,
    /// This holds.
    pub test: Test,
}

/// What holds of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is there, and compares so with this one.
    Is(Comparison, String),
    /// It is one of these.
    In(Vec<String>),
    /// It is null, or is not.
    Null(bool),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    fn operator(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "<>",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// What rows are sorted by. Where there is no value, the row comes last either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// This column.
    pub column: String,
    /// The greatest first.
    pub descending: bool,
}

/// A statement and its values, each a text that the statement casts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<String>,
}

impl Statement {
    /// The next value's place, as what its column is.
    fn value(&mut self, column: &RelationColumn, text: &str) -> String {
        self.values.push(text.to_owned());
        format!("${}::text::{}", self.values.len(), column.sql_type)
    }
}

/// Answers each row as JSON, and the texts of what it is sorted by.
pub(super) fn statement(relation: &Relation, selection: &Selection) -> Statement {
    let mut statement = Statement::default();
    let mut wanted = Vec::new();
    if relation.keeps_deleted() {
        wanted.push(format!("t.{DELETED_AT} is null"));
    }
    for Filter { column, test } in &selection.filters {
        let Some(column) = relation.column(column) else { continue };
        wanted.push(condition(&mut statement, column, test));
    }
    let order = sorted_by(relation, selection);
    if let Some(place) = &selection.after {
        wanted.push(after(&mut statement, relation, &order, place));
    }
    let wanted = if wanted.is_empty() { String::new() } else { format!(" where {}", wanted.join(" and ")) };
    let place: Vec<_> = order.iter().map(|(column, _)| format!("{}::text", quoted(column))).collect();
    let by: Vec<_> = order
        .iter()
        .map(|(column, descending)| {
            let direction = if *descending { " desc nulls last" } else { "" };
            format!("{}{direction}", quoted(column))
        })
        .collect();
    statement.sql = format!(
        "select (select row_to_json(r)::text from (select {}) r), array[{}]::text[] from {} t{wanted} order by {} limit {}",
        shown(relation, &selection.shown),
        place.join(", "),
        relation.name(),
        by.join(", "),
        selection.limit,
    );
    statement
}

/// Answers the version of the row of the aggregate `$1`, and the row as JSON unless it is deleted.
pub(super) fn one(relation: &Relation) -> String {
    format!("select {} from {} t where t.aggregate_id = $1", versioned(relation), relation.name())
}

/// The same of each of the aggregates `$1` that has a row, after its id.
pub(super) fn some(relation: &Relation) -> String {
    let versioned = versioned(relation);
    format!("select t.aggregate_id, {versioned} from {} t where t.aggregate_id = any ($1)", relation.name())
}

fn versioned(relation: &Relation) -> String {
    let row = format!("(select row_to_json(r)::text from (select {}) r)", shown(relation, &[]));
    let row = match relation.keeps_deleted() {
        true => format!("case when t.{DELETED_AT} is null then {row} end"),
        false => row,
    };
    format!("t.version, {row}")
}

fn quoted(column: &RelationColumn) -> String {
    format!("t.{}", table::quoted(&column.name))
}

fn shown(relation: &Relation, names: &[String]) -> String {
    let columns = relation.columns().filter(|column| names.is_empty() || names.contains(&column.name));
    columns.map(quoted).collect::<Vec<_>>().join(", ")
}

/// What was asked for, then the key, so that no two rows have one place.
fn sorted_by<'r>(relation: &'r Relation, selection: &Selection) -> Vec<(&'r RelationColumn, bool)> {
    let asked = selection.order.iter().map(|order| (order.column.as_str(), order.descending));
    let key = relation.key().iter().filter(|key| selection.order.iter().all(|order| order.column != **key));
    let all = asked.chain(key.map(|key| (key.as_str(), false)));
    all.filter_map(|(name, descending)| Some((relation.column(name)?, descending))).collect()
}

fn condition(statement: &mut Statement, column: &RelationColumn, test: &Test) -> String {
    let name = quoted(column);
    match test {
        Test::Null(true) => format!("{name} is null"),
        Test::Null(false) => format!("{name} is not null"),
        Test::Is(comparison, text) => {
            format!("{name} {} {}", comparison.operator(), statement.value(column, text))
        }
        Test::In(texts) => {
            let values: Vec<_> = texts.iter().map(|text| statement.value(column, text)).collect();
            format!("{name} in ({})", values.join(", "))
        }
    }
}

/// What comes after a place: behind it in the first column, or level there and behind it in the others.
fn after(
    statement: &mut Statement,
    relation: &Relation,
    order: &[(&RelationColumn, bool)],
    place: &[Option<String>],
) -> String {
    let Some(((column, descending), rest)) = order.split_first() else { return "false".to_owned() };
    let (name, value) = (quoted(column), place.first().cloned().flatten());
    let (behind, level) = match value {
        None => ("false".to_owned(), format!("{name} is null")),
        Some(text) => {
            let value = statement.value(column, &text);
            let operator = if *descending { "<" } else { ">" };
            let behind = format!("{name} {operator} {value}");
            let always = column.is_set || relation.is_key(column);
            (
                if always { behind } else { format!("({behind} or {name} is null)") },
                format!("{name} = {value}"),
            )
        }
    };
    if rest.is_empty() {
        return behind;
    }
    let further = after(statement, relation, rest, place.get(1..).unwrap_or_default());
    format!("({behind} or ({level} and {further}))")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation() -> Relation {
        let columns = ["!aggregate_id uuid", "!version bigint", "status text", "deleted_at timestamptz"];
        Relation::of("execution", &columns, &["aggregate_id"])
    }

    fn by(column: &str, descending: bool) -> Order {
        Order { column: column.to_owned(), descending }
    }

    #[test]
    fn a_page_in_the_order_of_the_key_is_a_walk_along_its_index() {
        let selection =
            Selection { after: Some(vec![Some("a".to_owned())]), limit: 3, ..Selection::default() };
        let Statement { sql, values } = statement(&relation(), &selection);
        assert!(sql.ends_with(
            "from execution t where t.deleted_at is null and t.\"aggregate_id\" > $1::text::uuid \
             order by t.\"aggregate_id\" limit 3"
        ));
        assert_eq!(values, ["a"]);
        assert!(!sql.contains("\"deleted_at\""), "{sql}");
    }

    #[test]
    fn rows_without_a_value_come_last_and_are_reached() {
        let page = |place: Option<&str>| {
            let place = vec![place.map(str::to_owned), Some("a".to_owned())];
            let selection =
                Selection { order: vec![by("status", true)], after: Some(place), ..Selection::default() };
            let Statement { sql, .. } = statement(&relation(), &selection);
            let (_, from) = sql.split_once(" and ").unwrap();
            from.split_once(" order by ").unwrap().0.to_owned()
        };
        assert_eq!(
            page(Some("running")),
            "((t.\"status\" < $1::text::text or t.\"status\" is null) or (t.\"status\" = $1::text::text and \
             t.\"aggregate_id\" > $2::text::uuid))"
        );
        assert_eq!(page(None), "(false or (t.\"status\" is null and t.\"aggregate_id\" > $1::text::uuid))");
    }

    #[test]
    fn what_is_asked_stays_a_value() {
        let test = Test::In(vec!["a'b".to_owned(), "c; drop".to_owned()]);
        let filters = vec![Filter { column: "status".to_owned(), test }];
        let Statement { sql, values } =
            statement(&relation(), &Selection { filters, ..Selection::default() });
        assert!(sql.contains("t.\"status\" in ($1::text::text, $2::text::text)"), "{sql}");
        assert_eq!(values, ["a'b", "c; drop"]);
    }
}
