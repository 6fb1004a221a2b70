//! What surrounds every request: its correlation id, its line in the log, its count, and one shape for what fails.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::headers::{self, CORRELATION_ID, TRACEPARENT};
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};

/// What is known of the request before anybody looked at it.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Names all that follows from it.
    pub correlation_id: String,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
}

/// A problem travels as an extension of an empty answer; `surround` writes its document, since it knows the request.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind().status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Serves one request. Bodies and tokens are never logged.
pub(crate) async fn surround(State(metrics): State<Metrics>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let given = headers::correlation_id(request.headers()).map(|id| id.map(str::to_owned));
    let trace = Trace {
        correlation_id: given.clone().ok().flatten().unwrap_or_else(|| Uuid::now_v7().to_string()),
        traceparent: headers::traceparent(request.headers()).map(str::to_owned),
    };
    let Trace { correlation_id, traceparent } = trace.clone();
    request.extensions_mut().insert(trace);
    let (method, path) = (request.method(), request.uri().path());
    let span = tracing::info_span!("request", %method, path, correlation_id);
    metrics.in_flight.inc();
    let answered = async {
        match given {
            Ok(_) => AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
                Problem::new(Kind::Internal, "the request could not be served").into_response()
            }),
            Err(problem) => problem.into_response(),
        }
    };
    let answered = answered.instrument(span.clone()).await;
    let mut response = match answered.extensions().get::<Problem>() {
        Some(problem) => {
            metrics.failed(problem.kind());
            let mut response = problem.respond(&correlation_id);
            response.headers_mut().extend(answered.headers().clone()); // `Allow` for one
            response
        }
        None => answered,
    };
    let headers = response.headers_mut();
    let mut say = |name, text: &str| {
        headers.insert(name, HeaderValue::from_str(text).expect("it came as a header, or is a UUID"))
    };
    say(CORRELATION_ID, &correlation_id);
    traceparent.map(|it| say(TRACEPARENT, &it));
    metrics.in_flight.dec();
    metrics.requests.with_label_values(&[response.status().as_str()]).inc();
    metrics.seconds.observe(began.elapsed().as_secs_f64());
    let _entered = span.entered();
    tracing::info!(status = response.status().as_u16(), micros = began.elapsed().as_micros(), "answered");
    response
}
