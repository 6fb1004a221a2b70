//! What a command answers, and a read that must be as fresh asks with.

use std::fmt;
use std::str::FromStr;

use events::{AggregateId, TenantId};

use crate::headers::version;

/// Where a command's events are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Token {
    /// Whose data.
    #[schema(value_type = String, example = "acme")]
    pub tenant: TenantId,
    /// Which aggregate.
    #[schema(value_type = String, format = "uuid")]
    pub aggregate_id: AggregateId,
    /// Its version after the command.
    #[schema(minimum = 0)]
    pub version: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, aggregate_id, version } = self;
        write!(f, "{tenant}/{aggregate_id}/{version}")
    }
}

/// What is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is tenant/aggregate/version, as a command answers it")]
pub struct InvalidToken;

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut parts = text.split('/');
        let (Some(tenant), Some(id), Some(digits), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidToken);
        };
        Ok(Self {
            tenant: tenant.parse().map_err(|_| InvalidToken)?,
            aggregate_id: id.parse().map_err(|_| InvalidToken)?,
            version: version(digits).ok_or(InvalidToken)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_shown() {
        let shown = "acme/019a9f00-0000-7000-8000-000000000001/7";
        assert_eq!(shown.parse::<Token>().unwrap().to_string(), shown);
        for other in
            ["", "acme", "acme/7", "acme/x/7", "acme/019a9f00-0000-7000-8000-000000000001/-1", "/a/b/c"]
        {
            assert_eq!(other.parse::<Token>(), Err(InvalidToken), "{other}");
        }
    }
}
