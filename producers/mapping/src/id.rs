//! Ids: a column that has one, or one derived from columns.

use events::TenantId;
use serde::Deserialize;
use uuid::Uuid;

use crate::column::Kind;
use crate::path::{Frame, Path, Scope};
use crate::value::Value;
use crate::{BadMapping, Refused};

/// An id as it stands in the file: `column`, or `namespace` and `of`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdFile {
    column: Option<String>,
    namespace: Option<Uuid>,
    of: Option<Vec<String>>,
}

/// Where an id comes from.
#[derive(Debug, Clone)]
pub(crate) enum Id {
    Column(Path),
    Derived { namespace: Uuid, of: Vec<Path> },
}

impl IdFile {
    pub(crate) fn find(self, scope: Scope<'_>, at: &str) -> Result<Id, BadMapping> {
        match (self.column, self.namespace, self.of) {
            (Some(column), None, None) => match Path::scalar(&column, scope, at)? {
                (path, column) if matches!(column.kind, Kind::Uuid) => Ok(Id::Column(path)),
                _ => Err(BadMapping::at(at, format!("column {column:?} is no uuid"))),
            },
            (None, Some(namespace), Some(of)) if !of.is_empty() => {
                let of = of.iter().map(|text| Path::scalar(text, scope, at).map(|(path, _)| path));
                Ok(Id::Derived { namespace, of: of.collect::<Result<_, _>>()? })
            }
            _ => {
                Err(BadMapping::at(at, "an id is a column, or a namespace and the columns it is derived of"))
            }
        }
    }
}

impl Id {
    /// The id; `None` where the column of an id is absent.
    pub(crate) fn of(&self, tenant: &TenantId, frame: &Frame<'_>) -> Result<Option<Uuid>, Refused> {
        match self {
            Self::Column(path) => match path.value(frame)? {
                Value::Text(text) => Ok(Some(Uuid::try_parse(text).expect("a uuid column was read as one"))),
                _ => Ok(None),
            },
            Self::Derived { namespace, of } => {
                let mut name = tenant.to_string();
                for path in of {
                    let Some(part) = path.value(frame)?.to_name() else {
                        return Err(Refused::at(path.field(frame), "is missing, and an id is derived of it"));
                    };
                    name.push('/');
                    // A slash within a part must not make two rows one.
                    name.push_str(&part.replace('%', "%25").replace('/', "%2F"));
                }
                Ok(Some(Uuid::new_v5(namespace, name.as_bytes())))
            }
        }
    }
}
