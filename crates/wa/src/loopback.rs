//! The simulator build's network: loopback, and nothing else.
//!
//! This build does not check the server's certificate chain, so it must not be
//! able to reach a server that is not on this machine.

use std::net::IpAddr;

use async_trait::async_trait;
use labelwire_app::phone::PhoneError;
use whatsapp_rust::anyhow::{Result, anyhow, bail};
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse, UreqHttpClient};

use crate::socket::Sockets;

pub(crate) fn refuse_elsewhere(url: &str) -> Result<(), PhoneError> {
    let host = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?']).next())
        .and_then(|authority| authority.rsplit_once(':').map(|(host, _)| host))
        .map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    let loopback = host.is_some_and(|h| h.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()));
    if loopback {
        Ok(())
    } else {
        Err(PhoneError::Refused(format!(
            "`{url}` is not a loopback address with a port; a simulator build speaks to simulators on this machine only"
        )))
    }
}

/// A transport to the simulator.
pub(crate) fn transport(ws_url: &str) -> Result<Sockets, PhoneError> {
    refuse_elsewhere(ws_url)?;
    Ok(Sockets::new(ws_url))
}

/// Fetches media from the simulator, whatever host its answers name.
pub(crate) struct Http {
    origin: String,
    inner: UreqHttpClient,
}

impl Http {
    pub(crate) fn new(http_url: &str) -> Result<Self, PhoneError> {
        refuse_elsewhere(http_url)?;
        Ok(Self {
            origin: http_url.trim_end_matches('/').to_owned(),
            inner: UreqHttpClient::new(),
        })
    }

    fn redirect(&self, request: &mut HttpRequest) -> Result<()> {
        let (_, rest) = request
            .url
            .split_once("://")
            .ok_or_else(|| anyhow!("a URL without a scheme"))?;
        let Some(path) = rest.find('/').map(|at| &rest[at..]) else {
            bail!("a URL without a path");
        };
        request.url = format!("{}{path}", self.origin);
        Ok(())
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn execute(&self, mut request: HttpRequest) -> Result<HttpResponse> {
        self.redirect(&mut request)?;
        self.inner.execute(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_reached() {
        assert!(refuse_elsewhere("ws://127.0.0.1:7788/ws/chat").is_ok());
        assert!(refuse_elsewhere("http://[::1]:7788").is_ok());
        for url in [
            "wss://web.whatsapp.com/ws/chat",
            "ws://10.0.0.1:80/ws",
            "ws://127.0.0.1.example:80/",
            "ws://localhost:80@evil.example:80/",
            "127.0.0.1:7788",
        ] {
            assert!(refuse_elsewhere(url).is_err(), "{url}");
        }
    }
}
