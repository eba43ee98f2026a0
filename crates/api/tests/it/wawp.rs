//! The Wawp dialect: golden calls and errors.

mod credentials;
mod document;
mod labels;
mod messages;
mod sessions;

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;

use crate::stage::Stage;

/// Says each line (`GET /v2/labels`, or `PUT /v2/… {json}`, or `POST /v2/… a=1&b=2`)
/// with credentials in headers, as Wawp's SDK does, and writes down what came back.
async fn talk(stage: &Stage, token: &str, session: &str, lines: &[&str]) -> String {
    let mut transcript = String::new();
    for line in lines {
        let (method, rest) = line.split_once(' ').expect("a method");
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !session.is_empty() {
            request = request.header("X-Instance-ID", session);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let (status, text) = said(stage, request).await;
        let _ = writeln!(transcript, "{line}\n  {status}\n  {text}\n");
    }
    transcript
}

/// What is answered: status, and JSON as text.
async fn said(stage: &Stage, request: Request<Body>) -> (u16, String) {
    let response = stage.send(request).await;
    let status = response.status().as_u16();
    let kind = response.headers().get(header::CONTENT_TYPE).cloned();
    assert_eq!(
        kind.as_ref().map(|k| k.as_bytes()),
        Some(b"application/json".as_slice())
    );
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

/// The 12-character id of an instance.
async fn short_id(stage: &Stage, name: &str) -> String {
    let caller = stage.caller().await;
    let scope = labelwire_domain::token::Scope::Read;
    let handle = stage.app.instance(&caller, scope, name).expect("there");
    handle.id.short().to_owned()
}
