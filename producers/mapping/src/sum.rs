//! Numbers that must add up: over the source's column, and over the events' field.

use serde::Deserialize;

use crate::path::{Frame, Path, Scope};
use crate::value::Value;
use crate::{BadMapping, Refused};

/// As it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SumFile {
    column: String,
    event: String,
    field: String,
}

/// A sum to compare: of the column over all rows, of the field over all events of the type.
#[derive(Debug, Clone)]
pub struct Sum {
    /// What it is called.
    pub name: String,
    /// The type of the events.
    pub event: String,
    /// Their field.
    pub field: String,
    column: Path,
}

impl SumFile {
    pub(crate) fn find(self, name: String, scope: Scope<'_>) -> Result<Sum, BadMapping> {
        let at = format!("sums.{name}");
        let (path, column) = Path::find(&self.column, scope, &at)?;
        if !column.kind.is_number() {
            return Err(BadMapping::at(at, format!("column {:?} holds no whole numbers", self.column)));
        }
        Ok(Sum { name, event: self.event, field: self.field, column: path })
    }
}

impl Sum {
    /// The sum over one row.
    pub(crate) fn of(&self, frame: &Frame<'_>) -> Result<i128, Refused> {
        let mut sum = 0;
        let mut add = |value: &Value| {
            if let Value::Integer(number) = value {
                sum += i128::from(*number);
            }
        };
        self.column.walk(frame, &mut add)?;
        Ok(sum)
    }
}
