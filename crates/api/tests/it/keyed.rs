//! Dialects whose key lies in a header of their own name.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;

use crate::stage::Stage;

/// A request with this header; without it where the value is empty.
pub(crate) fn request(
    method: &str,
    path: &str,
    (name, value): (&str, &str),
    body: Option<&str>,
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !value.is_empty() {
        builder = builder.header(name, value);
    }
    let body = body.map_or_else(Body::empty, |b| Body::from(b.to_owned()));
    builder.body(body).expect("a request")
}

/// Says each line (`GET /path`, or `POST /path {json}`) with this header and
/// writes down what came back.
pub(crate) async fn talk(stage: &Stage, key: (&str, &str), lines: &[&str]) -> String {
    let mut transcript = String::new();
    for line in lines {
        let (method, rest) = line.split_once(' ').expect("a method");
        let (path, body) = rest
            .split_once(' ')
            .map_or((rest, None), |(p, b)| (p, Some(b)));
        let (status, kind, bytes) = send(stage, request(method, path, key, body)).await;
        let text = String::from_utf8(bytes).expect("UTF-8");
        let _ = writeln!(transcript, "{line}\n  {status} {kind}\n  {text}\n");
    }
    transcript
}

/// Sends a request; status, content type and body of its answer.
pub(crate) async fn send(stage: &Stage, request: Request<Body>) -> (u16, String, Vec<u8>) {
    let response = stage.send(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|v| v.to_str().ok())
        .unwrap_or("no type")
        .to_owned();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("whole");
    (status, kind, body.to_bytes().to_vec())
}

/// Compares a dialect's OpenAPI document with the one that is checked in;
/// `UPDATE_OPENAPI=1` writes it anew.
pub(crate) async fn compare_document(path: &str, file: &str) {
    let stage = Stage::empty().await;
    let (status, document) = stage.get(path).await;
    assert_eq!(status, 200);
    let text = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../openapi")
        .join(file);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
        std::fs::write(&file, text).expect("writable");
    } else {
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            known == text,
            "`{}` is not what the gateway serves; run this test with UPDATE_OPENAPI=1",
            file.display()
        );
    }
    stage.close().await;
}
