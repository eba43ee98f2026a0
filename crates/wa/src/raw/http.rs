//! The library's HTTP client, with a look at the blobs of `regular` it fetches.

use std::io::{Cursor, Read as _};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::runtime::Handle;
use whatsapp_rust::anyhow::Result;
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse};
use whatsapp_rust::wacore::net::{StreamingHttpResponse, UploadBody};

use super::{Blob, Kind, open, search};
use crate::backend::SqlBackend;

/// A client whose fetched blobs are read along.
pub(crate) struct Watched<C> {
    inner: C,
    backend: Arc<SqlBackend>,
}

impl<C> Watched<C> {
    pub(crate) const fn new(inner: C, backend: Arc<SqlBackend>) -> Self {
        Self { inner, backend }
    }

    /// Hands a copy of a blob to a blocking thread: the library works on its own
    /// meanwhile, and waits for ours only at the end.
    fn fetched(&self, url: &str, status: u16, body: &[u8]) {
        let raw = self.backend.overlay().raw();
        if !(200..300).contains(&status) {
            return;
        }
        let Some((kind, path, key)) = raw.wanted(url) else {
            return;
        };
        let copy = body.to_vec();
        let runtime = Handle::current();
        let blob = match kind {
            Kind::Snapshot => {
                let backend = Arc::clone(&self.backend);
                let handle = runtime.clone();
                Blob::Snapshot(runtime.spawn_blocking(move || {
                    let keys = handle.block_on(backend.all_app_state_keys());
                    search(copy, &key, &keys)
                }))
            }
            Kind::Mutations => Blob::Mutations(runtime.spawn_blocking(move || open(copy, &key))),
        };
        raw.opening(path, blob, body.len());
    }
}

#[async_trait]
impl<C: HttpClient> HttpClient for Watched<C> {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse> {
        let url = request.url.clone();
        let response = self.inner.execute(request).await?;
        self.fetched(&url, response.status_code, &response.body);
        Ok(response)
    }

    fn supports_streaming(&self) -> bool {
        self.inner.supports_streaming()
    }

    fn execute_streaming(&self, request: HttpRequest) -> Result<StreamingHttpResponse> {
        let url = request.url.clone();
        let mut response = self.inner.execute_streaming(request)?;
        if self.backend.overlay().raw().wanted(&url).is_some() {
            let mut body = Vec::new();
            response.body.read_to_end(&mut body)?;
            self.fetched(&url, response.status_code, &body);
            response.body = Box::new(Cursor::new(body));
        }
        Ok(response)
    }

    fn supports_upload_streaming(&self) -> bool {
        self.inner.supports_upload_streaming()
    }

    fn execute_upload(
        &self,
        request: HttpRequest,
        body: UploadBody,
        content_length: u64,
    ) -> Result<HttpResponse> {
        self.inner.execute_upload(request, body, content_length)
    }
}
