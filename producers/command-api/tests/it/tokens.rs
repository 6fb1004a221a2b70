//! Nobody gets in with a token that is not wholly right, and nobody learns what was wrong with it.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use http_api::auth::{Issuer, Role};

use crate::fixture::{Answer, World, answer, start};

/// A forger who has all that a stranger can have, and the issuer's own key for tokens that are wrong otherwise.
struct Forger {
    claims: Value,
    kid: String,
    key: EncodingKey,
}

impl Forger {
    fn new(world: &World) -> Self {
        let now = get_current_timestamp();
        let keys: Value = serde_json::from_slice(&std::fs::read(world.issuer.keys()).unwrap()).unwrap();
        Self {
            claims: json!({
                "iss": "millrace-local", "aud": "millrace", "sub": "forger", "tenant": "acme", "role": "writer",
                "nbf": now, "exp": now + 600,
            }),
            kid: keys["keys"][0]["kid"].as_str().unwrap().to_owned(),
            key: EncodingKey::from_ec_der(&std::fs::read(world.folder.path().join("issuer.der")).unwrap()),
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key).unwrap()
    }

    fn without(&self, claim: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(claim);
        self.sign(&claims)
    }

    fn with(&self, claim: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[claim] = value;
        self.sign(&claims)
    }

    fn headed(&self, header: Header, key: &EncodingKey) -> String {
        encode(&header, &self.claims, key).unwrap()
    }
}

async fn present(world: &World, authorization: &str) -> Answer {
    let request = world.bare(Method::POST, &format!("/v1/executions/{}/commands", Uuid::nil()));
    let request = request.header("content-type", "application/json").body(start().to_string());
    answer(request.header("authorization", authorization).header("correlation-id", "c")).await
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_way_gets_one_and_the_same_answer_and_stores_nothing() {
    let world = World::new().await;
    let forger = Forger::new(&world);
    let now = get_current_timestamp();
    let good = forger.sign(&forger.claims);
    assert_eq!(present(&world, &format!("Bearer {good}")).await.status, StatusCode::OK);
    let before = world.digest().await;

    let [header, claims, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"; // {"alg":"none","typ":"JWT"}
    let public = std::fs::read(world.issuer.keys()).unwrap();
    let stranger = tempfile::tempdir().unwrap();
    Issuer::open(stranger.path()).unwrap();
    let strangers = EncodingKey::from_ec_der(&std::fs::read(stranger.path().join("issuer.der")).unwrap());
    let kid = |kid: &str| Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
    let hs256 = Header { kid: Some(forger.kid.clone()), ..Header::new(Algorithm::HS256) };

    let bearer = [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}.{}.{signature}", &claims[..claims.len() - 4]),
        format!("{header}.{claims}.{}", signature.chars().rev().collect::<String>()),
        forger.headed(hs256, &EncodingKey::from_secret(&public)),
        forger.headed(kid(&forger.kid), &strangers),
        forger.headed(kid("nobody's"), &strangers),
        forger.headed(kid("../../etc/passwd"), &forger.key),
        forger.headed(kid("' or 1=1 --"), &forger.key),
        forger.headed(Header::new(Algorithm::ES256), &forger.key),
        forger.with("exp", json!(now - 60)),
        forger.with("exp", json!("tomorrow")),
        forger.without("exp"),
        forger.with("nbf", json!(now + 3600)),
        forger.with("aud", json!("elsewhere")),
        forger.without("aud"),
        forger.with("iss", json!("somebody")),
        forger.without("iss"),
        forger.without("sub"),
        forger.with("sub", json!("")),
        forger.with("sub", json!("a\nb")),
        forger.with("sub", json!("x".repeat(201))),
        forger.without("tenant"),
        forger.with("tenant", json!("Not A Tenant")),
        forger.with("tenant", json!("")),
        forger.without("role"),
        forger.with("role", json!("owner")),
        "x".repeat(12_000),
        String::new(),
        "a.b.c".to_owned(),
    ];
    let other_schemes = [good.clone(), format!("Basic {good}"), String::new(), format!("Bearer  {good}")];
    let expected = present(&world, "Bearer x").await;
    assert_eq!((expected.status, expected.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    assert_eq!(expected.header("www-authenticate"), "Bearer");
    for authorization in bearer.iter().map(|token| format!("Bearer {token}")).chain(other_schemes) {
        let refused = present(&world, &authorization).await;
        assert_eq!(
            (refused.status, &refused.body),
            (expected.status, &expected.body),
            "{authorization:.200}"
        );
    }
    let absent = answer(world.bare(Method::GET, "/v1/executions/x").header("correlation-id", "c")).await;
    assert_eq!(absent.body, expected.body);
    let good = format!("Bearer {}", world.token("acme", Role::Reader));
    let twice = world.bare(Method::GET, "/v1/executions/x").header("authorization", &good);
    let twice = answer(twice.header("authorization", &good).header("correlation-id", "c")).await;
    assert_eq!(twice.body, expected.body);
    assert_eq!(world.digest().await, before);
}
