//! A client that costs next to nothing, so that the server is what is measured:
//! one keep-alive connection, bodies read and dropped.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A keep-alive connection that asks the same thing over and over.
pub(crate) struct Asker {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Asker {
    /// Connects to `authority` (`127.0.0.1:8080`).
    pub(crate) async fn new(authority: &str, path: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\ntoken: {token}\r\n\r\n").into();
        Ok(Self {
            stream,
            request,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Asks once; returns the body's length.
    pub(crate) async fn ask(&mut self) -> Result<usize> {
        self.exchange(None).await
    }

    /// Asks once; returns the body.
    pub(crate) async fn read(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        self.exchange(Some(&mut body)).await?;
        Ok(body)
    }

    async fn exchange(&mut self, mut keep: Option<&mut Vec<u8>>) -> Result<usize> {
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        let (head, length) = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            filled += read;
            if let Some(head) = find(&self.buffer[..filled], b"\r\n\r\n") {
                let text = std::str::from_utf8(&self.buffer[..head])?;
                if !text.starts_with("HTTP/1.1 200") {
                    bail!(
                        "the server answered {}",
                        text.lines().next().unwrap_or_default()
                    );
                }
                let length = text
                    .lines()
                    .find_map(|l| {
                        l.to_ascii_lowercase()
                            .strip_prefix("content-length:")
                            .map(str::to_owned)
                    })
                    .context("the answer has no length")?;
                break (head + 4, length.trim().parse::<usize>()?);
            }
        };
        if let Some(body) = &mut keep {
            body.extend_from_slice(&self.buffer[head..filled]);
        }
        let mut left = length
            .checked_sub(filled - head)
            .context("more bytes than announced")?;
        while left > 0 {
            let read = self.stream.read(&mut self.buffer).await?;
            if read == 0 {
                bail!("the answer ended early");
            }
            if let Some(body) = &mut keep {
                body.extend_from_slice(&self.buffer[..read]);
            }
            left = left
                .checked_sub(read)
                .context("more bytes than announced")?;
        }
        Ok(length)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
