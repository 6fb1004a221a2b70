//! The public keys behind tokens: few, cached, and fetched at a bounded pace whatever strangers present.
//!
//! A fetch happens when a key is not known or the set has grown old; one at a time, within a time limit, and never within
//! [`COOL_DOWN`] of the one before, successful or not: that is the circuit breaker, and it bounds what a flood of
//! invented key ids can cause. A fetch that fails leaves the known keys in force.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

/// The least time between two fetches.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// How old a set may grow before it is fetched again: the longest that a withdrawn key is believed, while its source answers.
const AGE_MAX: Duration = Duration::from_secs(300);

/// How long a fetch may take.
const FETCH_MAX: Duration = Duration::from_secs(2);

/// The largest set that is read.
const BYTES_MAX: usize = 256 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The address is neither a file nor a URL that can be trusted.
    #[error("{0:?} is no place for keys: give a file, an https URL, or an http URL on loopback")]
    Place(String),
    /// The file cannot be read.
    #[error("the keys in {path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The URL does not answer.
    #[error("the keys at {url} cannot be fetched")]
    Fetch {
        /// Which.
        url: reqwest::Url,
        /// Why not.
        source: reqwest::Error,
    },
    /// It is longer than any key set.
    #[error("the keys at {0} take more than {BYTES_MAX} bytes")]
    TooLong(String),
    /// It is no key set.
    #[error("what {place} has is no JSON Web Key Set")]
    NoKeySet {
        /// Where it is.
        place: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// It has no key for us.
    #[error("{0} has no key with an id for ES256, EdDSA or RS256")]
    Empty(String),
}

/// A key and the one algorithm it is for.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
}

type Set = HashMap<String, Arc<Key>>;

#[derive(Debug)]
pub(super) struct Keys {
    place: Place,
    known: RwLock<(Set, Instant)>,
    /// When a fetch last began; whoever holds this lock fetches.
    fetched: Mutex<Instant>,
    fetches: AtomicU64,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Url { url: reqwest::Url, client: reqwest::Client },
}

impl Keys {
    pub(super) async fn open(place: &str) -> Result<Self, KeysError> {
        let place = Place::parse(place)?;
        let (set, now) = (place.fetch().await?, Instant::now());
        Ok(Self {
            place,
            known: RwLock::new((set, now)),
            fetched: Mutex::new(now),
            fetches: AtomicU64::new(1),
        })
    }

    /// The key of this id, which nobody needs to know beforehand.
    pub(super) async fn get(&self, id: &str) -> Option<Arc<Key>> {
        let (known, age) = self.look_up(id);
        if known.is_some() && age <= AGE_MAX {
            return known;
        }
        self.renew(known.is_none()).await;
        self.look_up(id).0
    }

    pub(super) fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }

    fn look_up(&self, id: &str) -> (Option<Arc<Key>>, Duration) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.0.get(id).cloned(), known.1.elapsed())
    }

    /// Fetches the set again, unless that was done just now. `wait`: for somebody else's fetch that is under way.
    async fn renew(&self, wait: bool) {
        let turn = if wait { Some(self.fetched.lock().await) } else { self.fetched.try_lock().ok() };
        let Some(mut fetched) = turn else { return };
        if fetched.elapsed() < COOL_DOWN {
            return;
        }
        *fetched = Instant::now();
        self.fetches.fetch_add(1, Ordering::Relaxed);
        match self.place.fetch().await {
            Ok(set) => {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = (set, Instant::now());
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the keys of tokens stay as they were"
                )
            }
        }
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, KeysError> {
        if !text.contains("://") {
            return Ok(Self::File(PathBuf::from(text)));
        }
        let refused = || KeysError::Place(text.to_owned());
        let url: reqwest::Url = text.parse().map_err(|_| refused())?;
        let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            return Err(refused());
        }
        let client =
            reqwest::Client::builder().timeout(FETCH_MAX).redirect(reqwest::redirect::Policy::none());
        let client = client.build().map_err(|source| KeysError::Fetch { url: url.clone(), source })?;
        Ok(Self::Url { url, client })
    }

    async fn fetch(&self) -> Result<Set, KeysError> {
        match self {
            Self::File(path) => {
                let read = tokio::fs::read(path).await;
                let body = read.map_err(|source| KeysError::File { path: path.clone(), source })?;
                keys(&body, &path.display().to_string())
            }
            Self::Url { url, client } => {
                let failed = |source| KeysError::Fetch { url: url.clone(), source };
                let mut answer = client
                    .get(url.clone())
                    .send()
                    .await
                    .and_then(|a| a.error_for_status())
                    .map_err(failed)?;
                let mut body = Vec::new();
                while let Some(chunk) = answer.chunk().await.map_err(failed)? {
                    if body.len() + chunk.len() > BYTES_MAX {
                        return Err(KeysError::TooLong(url.to_string()));
                    }
                    body.extend_from_slice(&chunk);
                }
                keys(&body, url.as_str())
            }
        }
    }
}

/// The keys of a set that tokens may be signed with; what is for something else is passed over.
fn keys(body: &[u8], place: &str) -> Result<Set, KeysError> {
    let set: JwkSet = serde_json::from_slice(body)
        .map_err(|source| KeysError::NoKeySet { place: place.to_owned(), source })?;
    let keys: Set = set.keys.iter().filter_map(usable).collect();
    if keys.is_empty() { Err(KeysError::Empty(place.to_owned())) } else { Ok(keys) }
}

fn usable(jwk: &Jwk) -> Option<(String, Arc<Key>)> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None, // a shared secret above all: whoever can check with it can sign with it
    };
    let other = jwk.common.key_algorithm.is_some_and(|named| named != algorithm.into());
    if other || jwk.common.public_key_use.as_ref().is_some_and(|it| *it != PublicKeyUse::Signature) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Arc::new(Key { key, algorithm })))
}
