//! `labelwire healthcheck`: whether a gateway answers.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cli::Healthcheck;

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks; an error where the answer is not 200.
pub(crate) async fn run(args: &Healthcheck) -> anyhow::Result<()> {
    let address = args.address;
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let question =
            format!("GET /v1/health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(question.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, ask)
        .await
        .with_context(|| format!("no answer from {address} within {} s", PATIENCE.as_secs()))?
        .with_context(|| format!("no answer from {address}"))?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        bail!("{address} answered, but is not healthy");
    }
    Ok(())
}
