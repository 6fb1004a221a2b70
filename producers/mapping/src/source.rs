//! What kind of source the rows come from.

use serde::Deserialize;

use crate::BadMapping;
use crate::column::Columns;

/// As it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceFile {
    kind: KindFile,
    delimiter: Option<char>,
    query: Option<String>,
    pub(crate) columns: Columns,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KindFile {
    Csv,
    JsonLines,
    Postgres,
}

/// What kind of source the rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file whose first line names its columns; plain or gzip.
    Csv {
        /// What stands between two fields.
        delimiter: u8,
    },
    /// A file with one JSON object a line; plain or gzip.
    JsonLines,
    /// A query of a Postgres database, such as `select * from task order by id`.
    Postgres {
        /// The query.
        query: String,
    },
}

impl SourceFile {
    pub(crate) fn source(&self) -> Result<Source, BadMapping> {
        match (self.kind, self.delimiter, &self.query) {
            (KindFile::Csv, delimiter, None) => {
                let delimiter = u8::try_from(delimiter.unwrap_or(','));
                let delimiter =
                    delimiter.ok().filter(|byte| byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r'));
                let wrong = || {
                    BadMapping::at(
                        "source.delimiter",
                        "is no single ASCII character that could stand between fields",
                    )
                };
                Ok(Source::Csv { delimiter: delimiter.ok_or_else(wrong)? })
            }
            (KindFile::JsonLines, None, None) => Ok(Source::JsonLines),
            (KindFile::Postgres, None, Some(query)) => Ok(Source::Postgres { query: query.clone() }),
            (KindFile::Postgres, None, None) => {
                Err(BadMapping::at("source.query", "is missing: which rows?"))
            }
            (_, Some(_), _) => Err(BadMapping::at("source.delimiter", "only a csv source has one")),
            (_, None, Some(_)) => Err(BadMapping::at("source.query", "only a postgres source has one")),
        }
    }
}
