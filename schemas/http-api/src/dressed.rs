//! What an API has beside its own routes.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::HttpConfig;
use crate::edge::surround;
use crate::headers::{CORRELATION_ID, TOKEN, TRACEPARENT};
use crate::metrics::Metrics;
use crate::problem::{self, Kind, Problem};

/// The routes with what every API has: its description, the page of problems, an answer where there is nothing, a correlation
/// id, counts, and leave for the configured origins. `asked` and `told` are the headers that this API's requests and answers
/// have beside the common ones.
pub fn dressed(
    routes: Router,
    description: String,
    config: &HttpConfig,
    metrics: Metrics,
    asked: &[HeaderName],
    told: &[HeaderName],
) -> Router {
    let description = get(async move || ([(header::CONTENT_TYPE, "application/json")], description.clone()));
    routes
        .route("/openapi.json", description)
        .route("/problems", get(problems))
        .route("/problems/{kind}", get(problems))
        .fallback(async || Problem::new(Kind::NotFound, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(Kind::MethodNotAllowed, "the path does not know this method")
        })
        .layer(from_fn_with_state(metrics, surround))
        .layer(cors(&config.api_origins, asked, told))
}

async fn problems() -> Response {
    ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], problem::page()).into_response()
}

/// Pages of these origins may call the API; credentials travel in a header that a page must know.
fn cors(origins: &[String], asked: &[HeaderName], told: &[HeaderName]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let asked = [&[header::AUTHORIZATION, header::CONTENT_TYPE, CORRELATION_ID, TRACEPARENT], asked].concat();
    let told = [&[header::ETAG, header::RETRY_AFTER, CORRELATION_ID, TRACEPARENT, TOKEN], told].concat();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(asked)
        .expose_headers(told)
}
