//! Swagger UI at `/docs`, out of the binary: nothing is fetched from elsewhere.

use axum::Router;
use labelwire_app::App;
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

/// The documents it shows: name and place, the native API first.
const DOCUMENTS: &[(&str, &str)] = &[
    ("Native API", "/v1/openapi.json"),
    ("RyzeAPI dialect", "/api/openapi.json"),
    ("Wawp dialect", "/v2/openapi.json"),
    ("WAHA dialect", "/waha/openapi.json"),
    ("Evolution dialect", "/evolution/openapi.json"),
];

/// The page and its files.
pub(crate) fn router() -> Router<App> {
    let documents = DOCUMENTS
        .iter()
        .enumerate()
        .map(|(n, (name, place))| Url::with_primary(name, place, n == 0));
    SwaggerUi::new("/docs")
        .config(Config::new(documents))
        .into()
}
