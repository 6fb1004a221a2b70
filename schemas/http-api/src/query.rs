//! What a path and a query string ask for.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};

use crate::problem::{Kind, Problem};

/// The parameters of one request, each used once.
#[derive(Debug)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// What a query string has.
    ///
    /// # Errors
    /// When it cannot be read, or names something twice.
    pub fn of(query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Result<Self, Problem> {
        let Query(given) = query.map_err(|error| {
            Problem::new(Kind::InvalidParameter, error.body_text()).with("parameter", "query")
        })?;
        for (index, (name, _)) in given.iter().enumerate() {
            if given[..index].iter().any(|(other, _)| other == name) {
                return Err(refused(name, "is given twice"));
            }
        }
        Ok(Self(given))
    }

    /// What is said of this.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.remove(at).1)
    }

    /// A number from 1 to the most allowed, `or` where nothing is said.
    ///
    /// # Errors
    /// When something else is said.
    pub fn limit(&mut self, or: u32, most: u32) -> Result<u32, Problem> {
        let Some(text) = self.take("limit") else { return Ok(or.min(most)) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| refused("limit", format!("is not a whole number from 1 to {most}")))
    }

    /// What nobody has asked about yet.
    pub fn rest(&self) -> &[(String, String)] {
        &self.0
    }

    /// Nothing else was asked for.
    ///
    /// # Errors
    /// When something was.
    pub fn done(self) -> Result<(), Problem> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(refused(name, "is not known here")))
    }
}

/// The parts of a path.
///
/// # Errors
/// When they are not text.
pub fn path<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    let Path(path) = path.map_err(|_| refused("path", "cannot be read"))?;
    Ok(path)
}

/// A parameter that cannot be used, and why.
pub fn refused(name: &str, problem: impl std::fmt::Display) -> Problem {
    Problem::new(Kind::InvalidParameter, format!("{name} {problem}")).with("parameter", name)
}
