//! The OpenAPI document.

use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use labelwire_api::ListShape;
use serde_json::{Value, json};

use super::said;
use crate::stage::Stage;

async fn document(stage: &Stage) -> Value {
    let request = Request::get("/v2/openapi.json").body(Body::empty());
    let (status, text) = said(stage, request.expect("a request")).await;
    assert_eq!(status, 200);
    serde_json::from_str(&text).expect("JSON")
}

/// `UPDATE_OPENAPI=1` writes the file anew.
#[tokio::test]
async fn the_document_is_the_one_checked_in() {
    let stage = Stage::empty().await;
    let mut text = serde_json::to_string_pretty(&document(&stage).await).expect("JSON");
    text.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/wawp.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, &text).expect("written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == text,
        "openapi/wawp.json is not what is served; write it anew with UPDATE_OPENAPI=1"
    );
    stage.close().await;
}

#[tokio::test]
async fn the_document_tells_the_shape_of_lists() {
    let list = |document: &Value| {
        document["paths"]["/v2/labels/all"]["get"]["responses"]["200"]["content"]
            ["application/json"]["schema"]
            .clone()
    };
    let label = json!({"$ref": "#/components/schemas/Label"});
    let stage = Stage::empty().await;
    let array = list(&document(&stage).await);
    assert_eq!(array, json!({"type": "array", "items": label}));
    stage.close().await;
    let stage = Stage::with_config(|c| c.wawp_list_shape = ListShape::KeyedObject).await;
    let keyed = list(&document(&stage).await);
    assert_eq!(
        keyed,
        json!({"type": "object", "additionalProperties": label})
    );
    stage.close().await;
}
