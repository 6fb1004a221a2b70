use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{PATIENCE, Role, World, eventually};

/// A console on the API of parked keys: whatever it is answered is as the API describes it.
pub(crate) struct Console {
    pub(crate) role: Role,
    client: Client,
    url: String,
    token: String,
    described: Value,
}

/// What a request without a good end is answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) problem: Value,
}

impl Console {
    /// The role, and a console of the tenant's operator `ana`.
    pub(crate) async fn open(world: &World, tenant: &str, environment: &[(&str, &str)]) -> Self {
        let role = Self::serve(world, environment).await;
        let url = format!("http://{}", role.address("parked keys are shown").unwrap());
        let client = Client::new();
        let described = client.get(format!("{url}/openapi.json")).send().await.unwrap().json().await.unwrap();
        Self { role, client, url, token: token(world, tenant, "admin").await, described }
    }

    pub(crate) async fn serve(world: &World, environment: &[(&str, &str)]) -> Role {
        let environment = [environment, &[("MILLRACE_PARKED_ADDRESS", "127.0.0.1:0")]].concat();
        Role::ready(world, "parked-api", &environment).await
    }

    /// The same console, with its role killed and another one started.
    pub(crate) async fn kill_and_open_again(self, world: &World) -> Self {
        self.role.kill().await;
        let role = Self::serve(world, &[]).await;
        let url = format!("http://{}", role.address("parked keys are shown").unwrap());
        Self { role, url, ..self }
    }

    /// What is answered to a question, by the name of its operation.
    pub(crate) async fn get(&self, operation: &str, path: &str) -> Value {
        let body = self.asked(path).await.unwrap();
        self.is_described(&format!("Answer-{operation}"), &body);
        body
    }

    /// What is answered to a question that may be refused.
    pub(crate) async fn asked(&self, path: &str) -> Result<Value, Refusal> {
        let request = self.client.get(format!("{}/v1/parked{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        match (answer.status(), answer.json().await.unwrap()) {
            (StatusCode::OK, body) => Ok(body),
            (status, problem) => {
                self.is_described("Problem", &problem);
                Err(Refusal { status, problem })
            }
        }
    }

    /// What is answered to a wish, which is taken.
    pub(crate) async fn post(&self, operation: &str, path: &str, body: Value) -> Value {
        self.is_described(&format!("Ask-{operation}"), &body);
        let request = self.client.post(format!("{}/v1/parked{path}", self.url)).bearer_auth(&self.token);
        let answer = request.json(&body).send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body: Value = answer.json().await.unwrap();
        assert_eq!(status, StatusCode::ACCEPTED, "{path}: {body:#}");
        assert_eq!(headers["location"], format!("/v1/parked/requests/{}", body["request"]["id"]));
        assert_eq!(headers["retry-after"], "1");
        self.is_described(&format!("Answer-{operation}"), &body);
        body
    }

    /// A request with this token, or none, that is refused.
    pub(crate) async fn refused(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Refusal {
        let mut request = self.client.request(method, format!("{}/v1/parked{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, problem) = (answer.status(), answer.json().await.unwrap());
        assert!(status.is_client_error(), "{path}: {status} {problem:#}");
        self.is_described("Problem", &problem);
        Refusal { status, problem }
    }

    /// The same of the operator.
    pub(crate) async fn refused_here(&self, method: Method, path: &str, body: Option<Value>) -> Refusal {
        self.refused(Some(&self.token), method, path, body).await
    }

    /// Follows what was asked for until nobody has anything left to do for it.
    pub(crate) async fn followed(&self, asked: &Value) -> Value {
        let path = format!("/requests/{}", asked["request"]["id"]);
        eventually("the request is over", PATIENCE, async || {
            let request = &self.get("request", &path).await["request"];
            request["to_ask"] == 0 && request["open"] == 0
        })
        .await;
        self.get("request", &path).await
    }

    fn is_described(&self, schema: &str, body: &Value) {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}"), "components": self.described["components"] });
        let validator = jsonschema::draft202012::options().build(&schema).unwrap();
        let judged = validator.validate(body).map_err(|error| error.to_string());
        assert_eq!(judged, Ok(()), "{body:#}");
    }
}

/// A token of a tenant's `ana` in this role.
pub(crate) async fn token(world: &World, tenant: &str, role: &str) -> String {
    let token = world.program.done(&["token", "--tenant", tenant, "--actor", "ana", "--role", role]).await;
    token.trim().to_owned()
}
