//! Lists as JSON, NDJSON and CSV: pages, or whole and streamed.

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};

use super::error::Error;
use super::format::{Format, cell};

static NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// How things of one sort are written.
pub(super) struct Listing<T> {
    /// The name of the list in JSON.
    pub(super) key: &'static str,
    /// The cells' names in CSV.
    pub(super) header: &'static [&'static str],
    /// The thing as JSON.
    pub(super) json: fn(&T) -> serde_json::Result<Vec<u8>>,
    /// The thing as cells.
    pub(super) cells: fn(&T) -> Vec<String>,
}

impl<T: Send + 'static> Listing<T> {
    fn head(&self, format: Format, out: &mut Vec<u8>) {
        match format {
            Format::Json => out.extend_from_slice(format!("{{\"{}\":[", self.key).as_bytes()),
            Format::Ndjson => {}
            Format::Csv => {
                out.extend_from_slice(self.header.join(",").as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Writes things; `first` is whether none was written before.
    fn write(&self, format: Format, things: &[T], first: bool, out: &mut Vec<u8>) {
        for (n, thing) in things.iter().enumerate() {
            if format == Format::Csv {
                for (n, text) in (self.cells)(thing).iter().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    cell(text, out);
                }
                out.extend_from_slice(b"\r\n");
                continue;
            }
            if format == Format::Json && !(first && n == 0) {
                out.push(b',');
            }
            // Texts and numbers always have a JSON form.
            out.extend((self.json)(thing).unwrap_or_default());
            if format == Format::Ndjson {
                out.push(b'\n');
            }
        }
    }

    /// The answer that is one page of things.
    pub(super) fn page(&self, format: Format, things: &[T], next: Option<&str>) -> Response {
        let mut out = Vec::new();
        self.head(format, &mut out);
        self.write(format, things, true, &mut out);
        out.extend_from_slice(format.tail(next).as_bytes());
        let mut response = (mime(format), out).into_response();
        if let Some(next) = next.and_then(|next| HeaderValue::from_str(next).ok()) {
            response.headers_mut().insert(&NEXT_CURSOR, next);
        }
        response
    }

    /// The answer that is all things, written as they are read. The first part is
    /// read before the status is sent: an error still has one.
    ///
    /// # Errors
    /// The first part's.
    pub(super) async fn whole(
        self,
        format: Format,
        parts: impl Stream<Item = Result<Vec<T>, labelwire_app::Error>> + Send + 'static,
    ) -> Result<Response, Error> {
        let mut parts = Box::pin(parts);
        let first = parts.next().await.transpose()?.unwrap_or_default();
        let mut out = Vec::new();
        self.head(format, &mut out);
        self.write(format, &first, true, &mut out);
        let any = !first.is_empty();
        let rest = stream::unfold(Some((self, parts, any)), move |state| async move {
            let (listing, mut parts, any) = state?;
            match parts.next().await {
                Some(Ok(things)) => {
                    let mut out = Vec::new();
                    listing.write(format, &things, !any, &mut out);
                    let any = any || !things.is_empty();
                    Some((Ok(Bytes::from(out)), Some((listing, parts, any))))
                }
                None => Some((Ok(Bytes::from(format.tail(None))), None)),
                Some(Err(error)) => {
                    tracing::error!(%error, "a list ended half way; its connection is reset");
                    Some((Err(std::io::Error::other("the list ended half way")), None))
                }
            }
        });
        let head = stream::once(std::future::ready(Ok(Bytes::from(out))));
        Ok((mime(format), Body::from_stream(head.chain(rest))).into_response())
    }
}

fn mime(format: Format) -> [(HeaderName, HeaderValue); 3] {
    [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.mime()),
        ),
        (header::VARY, HeaderValue::from_static("accept")),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        ),
    ]
}
