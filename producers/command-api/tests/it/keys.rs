//! Keys that are fetched: rotated without a restart, and never fetched at a stranger's pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::future::join_all;
use http_api::auth::{AuthConfig, Issuer, KeysError, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

fn config(keys: String) -> AuthConfig {
    AuthConfig {
        api_keys: keys,
        api_audience: "millrace".to_owned(),
        api_issuer: "millrace-local".to_owned(),
    }
}

/// A place for keys that counts who asks and breaks after the first.
async fn serve(body: String) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let keys = async move || match counted.fetch_add(1, Ordering::Relaxed) {
        0 => body.clone().into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys.json", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/keys.json", get(keys))).await });
    (url, asked)
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_no_flood_of_fetches() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::open(folder.path()).unwrap();
    let (url, asked) = serve(std::fs::read_to_string(issuer.keys()).unwrap()).await;
    let verifier = Verifier::open(&config(url)).await.unwrap();
    let key = EncodingKey::from_ec_der(&std::fs::read(folder.path().join("issuer.der")).unwrap());
    let forged = (0..500).map(|n| {
        let header = Header { kid: Some(format!("key-{n}")), ..Header::new(Algorithm::ES256) };
        format!("Bearer {}", encode(&header, &json!({}), &key).unwrap())
    });
    let forged: Vec<_> = forged.collect();
    let callers = join_all(forged.iter().map(|token| verifier.caller(Some(token)))).await;
    assert!(callers.iter().all(Result::is_err));
    assert_eq!(asked.load(Ordering::Relaxed), 1, "the first fetch was just now, so there is no second");
    assert_eq!(verifier.fetches(), 1);
}

#[tokio::test]
async fn a_place_that_cannot_be_trusted_or_has_no_keys_is_named_at_the_start() {
    let open = async |keys: &str| Verifier::open(&config(keys.to_owned())).await.unwrap_err();
    assert!(matches!(open("http://example.com/keys").await, KeysError::Place(_)));
    assert!(matches!(open("ftp://127.0.0.1/keys").await, KeysError::Place(_)));
    assert!(matches!(open("/nowhere/keys.json").await, KeysError::File { .. }));
    let (no_keys, _) =
        serve(json!({ "keys": [{ "kty": "oct", "kid": "s", "k": "c2VjcmV0" }] }).to_string()).await;
    assert!(matches!(open(&no_keys).await, KeysError::Empty(_)));
    let (no_json, _) = serve("<html>".to_owned()).await;
    assert!(matches!(open(&no_json).await, KeysError::NoKeySet { .. }));
    let (endless, _) = serve(" ".repeat(300_000)).await;
    assert!(matches!(open(&endless).await, KeysError::TooLong(_)));
}
