//! Whether a command is told at all.

use serde::Deserialize;

use crate::path::{Frame, Path, Scope};
use crate::value::{Constant, Value};
use crate::{BadMapping, Refused};

/// A condition as it stands in the file: exactly one of these.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhenFile {
    present: Option<String>,
    absent: Option<String>,
    positive: Option<String>,
    equals: Option<EqualsFile>,
    any: Option<Vec<WhenFile>>,
    all: Option<Vec<WhenFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EqualsFile {
    column: String,
    value: Constant,
}

/// A condition whose paths were found.
#[derive(Debug, Clone)]
pub(crate) enum When {
    Present(Path),
    Absent(Path),
    /// A number above 0.
    Positive(Path),
    Equals(Path, Value),
    Any(Vec<When>),
    All(Vec<When>),
}

impl WhenFile {
    pub(crate) fn find(self, scope: Scope<'_>, at: &str) -> Result<When, BadMapping> {
        let path = |text: String| Path::scalar(&text, scope, at);
        let several =
            |all: Vec<Self>| all.into_iter().map(|one| one.find(scope, at)).collect::<Result<_, _>>();
        let mut found = Vec::new();
        if let Some(text) = self.present {
            found.push(When::Present(path(text)?.0));
        }
        if let Some(text) = self.absent {
            found.push(When::Absent(path(text)?.0));
        }
        if let Some(text) = self.positive {
            let (path, column) = path(text)?;
            if !column.kind.is_number() {
                return Err(BadMapping::at(at, "only a number can be positive"));
            }
            found.push(When::Positive(path));
        }
        if let Some(EqualsFile { column, value: Constant(value) }) = self.equals {
            found.push(When::Equals(path(column)?.0, value));
        }
        if let Some(any) = self.any {
            found.push(When::Any(several(any)?));
        }
        if let Some(all) = self.all {
            found.push(When::All(several(all)?));
        }
        let [one] = <[When; 1]>::try_from(found).map_err(|_| {
            BadMapping::at(at, "a condition is exactly one of present, absent, positive, equals, any, all")
        })?;
        Ok(one)
    }
}

impl When {
    pub(crate) fn holds(&self, frame: &Frame<'_>) -> Result<bool, Refused> {
        Ok(match self {
            Self::Present(path) => *path.value(frame)? != Value::Absent,
            Self::Absent(path) => *path.value(frame)? == Value::Absent,
            Self::Positive(path) => matches!(path.value(frame)?, Value::Integer(1..)),
            Self::Equals(path, value) => path.value(frame)? == value,
            Self::Any(any) => any.iter().try_fold(false, |held, one| Ok(held || one.holds(frame)?))?,
            Self::All(all) => all.iter().try_fold(true, |held, one| Ok(held && one.holds(frame)?))?,
        })
    }
}
