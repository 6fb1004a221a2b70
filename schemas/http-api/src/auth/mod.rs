//! Who asks: a signed token, checked in full, names the tenant, the actor and the role.
//!
//! Whatever is wrong with a token, the answer is the same; the reason is counted, and that is all.

mod config;
mod issuer;
mod keys;

pub use config::AuthConfig;
pub use issuer::{Grant, Issuer, IssuerError};
pub use keys::KeysError;

use std::time::Duration;

use events::TenantId;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header, get_current_timestamp};
use serde::{Deserialize, Serialize};

use keys::Keys;

/// A token of this size is none of ours; it is not even taken apart.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How far another machine's clock may be off, in seconds.
const LEEWAY_S: u64 = 30;

/// What is said of a token that is in force for longer, in seconds.
const EXPIRY_S_MAX: f64 = 30.0 * 86_400.0;

/// Longest name of an actor, in bytes: it becomes part of each event's metadata.
const ACTOR_BYTES_MAX: usize = 200;

/// What a token allows. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at aggregates.
    Reader,
    /// Send commands.
    Writer,
    /// Both, and whatever operators may do.
    Admin,
}

/// Who asks, on whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose data.
    pub tenant: TenantId,
    /// Who; goes into the metadata of each event.
    pub actor: String,
    /// What they may do.
    pub role: Role,
    /// For how long their token is believed yet; a month where it is longer.
    pub expires_in: Duration,
}

/// Why a token was refused: for the metrics, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is none, or two, or it is no bearer token.
    Absent,
    /// It cannot be read, or lacks a claim.
    Malformed,
    /// Its algorithm is not the key's.
    Algorithm,
    /// Nobody knows its key.
    UnknownKey,
    /// Its signature is not by its key.
    Signature,
    /// It is over, or has not begun.
    Time,
    /// It is for another audience or by another issuer.
    Foreign,
}

impl Refused {
    /// The label in the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Time => "time",
            Self::Foreign => "foreign",
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    tenant: TenantId,
    role: Role,
    exp: f64,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Verifier {
    keys: Keys,
    validation: Validation,
}

impl Verifier {
    /// Loads the keys, so that a wrong address shows now.
    ///
    /// # Errors
    /// When there are no keys to be had.
    pub async fn open(config: &AuthConfig) -> Result<Self, KeysError> {
        let mut validation = Validation::default();
        validation.algorithms.clear(); // each key brings its own
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_audience(&[&config.api_audience]);
        validation.set_issuer(&[&config.api_issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        Ok(Self { keys: Keys::open(&config.api_keys).await?, validation })
    }

    /// Who presents this `Authorization` header.
    ///
    /// # Errors
    /// When nobody should be believed to.
    pub async fn caller(&self, authorization: Option<&str>) -> Result<Caller, Refused> {
        let (scheme, token) = authorization.and_then(|text| text.split_once(' ')).ok_or(Refused::Absent)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Absent);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::Malformed);
        }
        let header = decode_header(token).map_err(|_| Refused::Malformed)?;
        let kid = header.kid.ok_or(Refused::UnknownKey)?;
        let key = self.keys.get(&kid).await.ok_or(Refused::UnknownKey)?;
        let validation = Validation { algorithms: vec![key.algorithm], ..self.validation.clone() };
        let claims = decode::<Claims>(token, &key.key, &validation).map_err(|e| refused(e.kind()))?.claims;
        let readable = |c: char| !c.is_control();
        if claims.sub.is_empty() || claims.sub.len() > ACTOR_BYTES_MAX || !claims.sub.chars().all(readable) {
            return Err(Refused::Malformed);
        }
        let left_s = claims.exp + LEEWAY_S as f64 - get_current_timestamp() as f64;
        let expires_in = Duration::from_secs_f64(left_s.clamp(0.0, EXPIRY_S_MAX));
        Ok(Caller { tenant: claims.tenant, actor: claims.sub, role: claims.role, expires_in })
    }

    /// How often keys were fetched since the start.
    pub fn fetches(&self) -> u64 {
        self.keys.fetches()
    }
}

fn refused(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidAlgorithm => Refused::Algorithm,
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature => Refused::Time,
        ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer => Refused::Foreign,
        _ => Refused::Malformed,
    }
}
