//! The history of a row: commands, and lists that are gone through.

use std::collections::BTreeMap;

use events::TenantId;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::column::{Columns, Kind};
use crate::expression::{Expression, ExpressionFile};
use crate::path::{Frame, Item, Path, Scope};
use crate::value::Value;
use crate::when::{When, WhenFile};
use crate::{BadMapping, Refused};

/// One command of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Where in the row it comes from, such as `steps[3]`; empty for the row itself.
    pub at: String,
    /// The command: its `type`, its aggregate's id and its fields; what is absent is left out.
    pub json: Json,
}

/// As it stands in the file: a command (`type`, `with`, `when`), or `for_each`, `as`, `do`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepFile {
    r#type: Option<String>,
    with: Option<BTreeMap<String, ExpressionFile>>,
    when: Option<WhenFile>,
    for_each: Option<String>,
    r#as: Option<String>,
    r#do: Option<Vec<StepFile>>,
}

/// Found among the columns.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Command { name: String, with: Vec<(String, Expression)>, when: Option<When> },
    ForEach { list: Path, steps: Vec<Step> },
}

pub(crate) fn find(
    steps: Vec<StepFile>,
    scope: Scope<'_>,
    at: &str,
    id_field: &str,
) -> Result<Vec<Step>, BadMapping> {
    let numbered = steps.into_iter().enumerate();
    numbered.map(|(place, step)| step.find(scope, &format!("{at}[{place}]"), id_field)).collect()
}

impl StepFile {
    fn find(self, scope: Scope<'_>, at: &str, id_field: &str) -> Result<Step, BadMapping> {
        match (self.r#type, self.for_each, self.r#as, self.r#do) {
            (Some(name), None, None, None) => {
                if let Some(field) = self
                    .with
                    .iter()
                    .flatten()
                    .map(|(field, _)| field)
                    .find(|field| *field == id_field || *field == "type")
                {
                    return Err(BadMapping::at(
                        format!("{at}.with.{field}"),
                        "is filled in by the import itself",
                    ));
                }
                let with = self.with.unwrap_or_default().into_iter();
                let with = with.map(|(field, expression)| {
                    let found = expression.find(scope, &format!("{at}.with.{field}"))?;
                    Ok((field, found))
                });
                let when = self.when.map(|when| when.find(scope, &format!("{at}.when"))).transpose()?;
                Ok(Step::Command { name, with: with.collect::<Result<_, BadMapping>>()?, when })
            }
            (None, Some(text), Some(name), Some(steps)) if self.with.is_none() && self.when.is_none() => {
                let (list, column) = Path::find(&text, scope, &format!("{at}.for_each"))?;
                let Kind::List(columns) = &column.kind else {
                    return Err(BadMapping::at(format!("{at}.for_each"), format!("{text:?} is no list")));
                };
                if list.has_every() {
                    return Err(BadMapping::at(format!("{at}.for_each"), "go through one list at a time"));
                }
                let seen = |name: &str| {
                    scope.row.find(name).is_some() || scope.items.iter().any(|(item, _)| item == name)
                };
                if seen(&name) {
                    return Err(BadMapping::at(
                        format!("{at}.as"),
                        format!("{name:?} is the name of something else here"),
                    ));
                }
                let items: Vec<(String, &Columns)> =
                    scope.items.iter().cloned().chain([(name, columns)]).collect();
                let scope = Scope { row: scope.row, items: &items };
                Ok(Step::ForEach { list, steps: find(steps, scope, &format!("{at}.do"), id_field)? })
            }
            _ => Err(BadMapping::at(
                at,
                "is neither a command (type, with, when) nor a list to go through (for_each, as, do)",
            )),
        }
    }
}

/// What every command of a row shares.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) id_field: &'a str,
    pub(crate) id: String,
}

impl Told<'_> {
    pub(crate) fn tell(
        &self,
        steps: &[Step],
        frame: &mut Frame<'_>,
        commands: &mut Vec<Command>,
    ) -> Result<(), Refused> {
        for step in steps {
            match step {
                Step::Command { name, with, when } => {
                    if when.as_ref().map_or(Ok(true), |when| when.holds(frame))? {
                        commands.push(self.command(name, with, frame)?);
                    }
                }
                Step::ForEach { list, steps } => {
                    let (field, Value::List(items)) = (list.field(frame), list.value(frame)?) else {
                        continue;
                    };
                    for (place, item) in items.iter().enumerate() {
                        let Value::Record(values) = item else { unreachable!("a list's items are records") };
                        frame.items.push(Item { values, place, at: format!("{field}[{place}]") });
                        let told = self.tell(steps, frame, commands);
                        frame.items.pop();
                        told?;
                    }
                }
            }
        }
        Ok(())
    }

    fn command(
        &self,
        name: &str,
        with: &[(String, Expression)],
        frame: &Frame<'_>,
    ) -> Result<Command, Refused> {
        let mut json = Map::with_capacity(with.len() + 2);
        json.insert("type".to_owned(), name.into());
        json.insert(self.id_field.to_owned(), self.id.as_str().into());
        for (field, expression) in with {
            match expression.json(self.tenant, frame)? {
                Json::Null => {}
                value => drop(json.insert(field.clone(), value)),
            }
        }
        let at = frame.items.last().map_or_else(String::new, |item| item.at.clone());
        Ok(Command { at, json: Json::Object(json) })
    }
}
