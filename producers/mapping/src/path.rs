//! Where in a row something is: `task`, `usage.tokens`, `steps[0].at`, `steps[-1].at`, `step.tool` of an item that is
//! gone through, `steps[].cost` of all items.

use crate::column::{Column, Columns, Kind};
use crate::value::Value;
use crate::{BadMapping, Refused};

/// What names can be seen from a place in the file: the row's columns, and the items that are gone through around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) row: &'a Columns,
    /// From the outermost to the innermost.
    pub(crate) items: &'a [(String, &'a Columns)],
}

/// A path whose every step was found among the columns.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    text: String,
    /// Which item it starts from, the outermost first; `None`: from the row.
    item: Option<usize>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Column(usize),
    Item(usize),
    ItemFromEnd(usize),
    Every,
}

/// One item that is gone through.
#[derive(Debug, Clone)]
pub(crate) struct Item<'a> {
    pub(crate) values: &'a [Value],
    /// Its place in its list, from 0.
    pub(crate) place: usize,
    /// Where it is in the row, such as `steps[3]`.
    pub(crate) at: String,
}

/// A row, and the items of it that are gone through.
#[derive(Debug, Clone)]
pub(crate) struct Frame<'a> {
    pub(crate) row: &'a [Value],
    pub(crate) items: Vec<Item<'a>>,
}

impl Path {
    /// Finds a path; answers it with the column it ends at.
    pub(crate) fn find<'a>(text: &str, scope: Scope<'a>, at: &str) -> Result<(Self, &'a Column), BadMapping> {
        let wrong = |problem: String| BadMapping::at(at, format!("{problem} (in {text:?})"));
        let (first, rest) = text.split_once('.').unwrap_or((text, ""));
        let item = scope.items.iter().rposition(|(name, _)| name == first);
        let (mut columns, mut rest) = match item {
            Some(item) if !rest.is_empty() => (scope.items[item].1, rest),
            Some(_) => return Err(wrong(format!("{first:?} is a whole item, name one of its columns"))),
            None => (scope.row, text),
        };
        let mut steps = Vec::new();
        loop {
            let (segment, after) = rest.split_once('.').unwrap_or((rest, ""));
            let (name, index) = match segment.split_once('[') {
                Some((name, index)) => {
                    (name, Some(index.strip_suffix(']').ok_or_else(|| wrong("a [ is not closed".into()))?))
                }
                None => (segment, None),
            };
            let (place, column) =
                columns.find(name).ok_or_else(|| wrong(format!("there is no column {name:?}")))?;
            steps.push(Step::Column(place));
            columns = match (&column.kind, index) {
                (Kind::List(columns), Some(index)) => {
                    steps.push(step(index).ok_or_else(|| wrong(format!("{index:?} is no place in a list")))?);
                    columns
                }
                (_, Some(_)) => return Err(wrong(format!("{name:?} is no list"))),
                (Kind::Record(columns), None) if !after.is_empty() => columns,
                (_, None) if after.is_empty() => {
                    return Ok((Self { text: text.to_owned(), item, steps }, column));
                }
                (_, None) => return Err(wrong(format!("{name:?} has no columns of its own"))),
            };
            if after.is_empty() {
                return Err(wrong("an item is a record, name one of its columns".into()));
            }
            rest = after;
        }
    }

    /// A path to a value that can stand in a command.
    pub(crate) fn scalar<'a>(
        text: &str,
        scope: Scope<'a>,
        at: &str,
    ) -> Result<(Self, &'a Column), BadMapping> {
        let (path, column) = Self::find(text, scope, at)?;
        if matches!(column.kind, Kind::List(_) | Kind::Record(_) | Kind::Ignored) || path.has_every() {
            return Err(BadMapping::at(at, format!("{text:?} is no single value that is read")));
        }
        Ok((path, column))
    }

    /// Whether the path is a column of the row, and this one.
    pub(crate) fn starts_at(&self, column: &str) -> bool {
        self.text == column
    }

    pub(crate) fn has_every(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Every))
    }

    /// The one value at the path's end.
    pub(crate) fn value<'a>(&self, frame: &Frame<'a>) -> Result<&'a Value, Refused> {
        let mut found = None;
        self.walk(frame, &mut |value| found = Some(value))?;
        Ok(found.unwrap_or(&Value::Absent))
    }

    /// Every value at the path's end.
    pub(crate) fn walk<'a>(&self, frame: &Frame<'a>, seen: &mut dyn FnMut(&'a Value)) -> Result<(), Refused> {
        let values = self.item.map_or(frame.row, |item| frame.items[item].values);
        let Some((Step::Column(first), rest)) = self.steps.split_first() else { return Ok(()) };
        walk(&values[*first], rest, seen)
            .map_err(|()| Refused::at(self.field(frame), "the list has no such item"))
    }

    /// The path as a field of this row.
    pub(crate) fn field(&self, frame: &Frame<'_>) -> String {
        let (Some(item), Some((_, rest))) = (self.item, self.text.split_once('.')) else {
            return self.text.clone();
        };
        format!("{}.{rest}", frame.items[item].at)
    }
}

fn step(index: &str) -> Option<Step> {
    match index.strip_prefix('-') {
        None if index.is_empty() => Some(Step::Every),
        None => index.parse().ok().map(Step::Item),
        Some(from_end) => from_end.parse().ok().filter(|n| *n > 0).map(Step::ItemFromEnd),
    }
}

fn walk<'a>(value: &'a Value, steps: &[Step], seen: &mut dyn FnMut(&'a Value)) -> Result<(), ()> {
    let Some((step, rest)) = steps.split_first() else {
        seen(value);
        return Ok(());
    };
    match (step, value) {
        (_, Value::Absent) => {
            seen(value);
            Ok(())
        }
        (Step::Column(place), Value::Record(values)) => walk(&values[*place], rest, seen),
        (Step::Item(place), Value::List(items)) => walk(items.get(*place).ok_or(())?, rest, seen),
        (Step::ItemFromEnd(from_end), Value::List(items)) => {
            let place = items.len().checked_sub(*from_end).ok_or(())?;
            walk(&items[place], rest, seen)
        }
        (Step::Every, Value::List(items)) => items.iter().try_for_each(|item| walk(item, rest, seen)),
        _ => unreachable!("a path was found among the columns that the row was read by"),
    }
}
