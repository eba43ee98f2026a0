//! Requests a second for lists, against a static handler that sends the same
//! bytes; and one chat's labels beside somebody who lists without pause.
#![expect(
    clippy::print_stdout,
    reason = "the static role tells its address on its output"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;

use crate::http::Asker;
use crate::process::Process;
use crate::stand::{Gateway, Sim, chat};
use crate::{figure, median};

const SMALL: &str = "5511900000005";
const LARGE: &str = "5511900000100";
const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 4;

/// Serves a file's bytes, as simply as the same server library can.
pub(crate) async fn serve_static(body: &Path) -> Result<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let handler = move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, "application/json")], body) }
    };
    let app = axum::Router::new().route("/", axum::routing::get(handler));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

pub(crate) async fn run() -> Result<()> {
    eprintln!("lists: accounts of 5,000 and 100,000 labeled chats");
    let sim = Arc::new(Sim::start().await?);
    sim.account(SMALL, &[("VIP", 5_000), ("Spare", 0)]).await?;
    sim.account(LARGE, &[("All", 100_000), ("Some", 15_000), ("Spare", 0)])
        .await?;
    let gateway = Gateway::start(&sim, None, "30").await?;
    gateway.pair(&sim, "small", SMALL).await?;
    gateway.pair(&sim, "large", LARGE).await?;
    let small = "/api/chat/contactsByLabel/small?labelNames=VIP";
    let large = "/api/chat/contactsByLabel/large";
    for (name, path, phone, spare) in [("5k", small, SMALL, "2"), ("100k", large, LARGE, "3")] {
        for clients in [1, 16] {
            for busy in [false, true] {
                let ratio =
                    against_static(&sim, &gateway, path, phone, spare, clients, busy).await?;
                let mode = if busy { "busy" } else { "quiet" };
                figure(&format!("list_{name}_{mode}_c{clients}_ratio"), ratio, "x");
            }
        }
    }
    one_chat(&gateway).await
}

/// Ratio of requests a second, measured by turns.
async fn against_static(
    sim: &Arc<Sim>,
    gateway: &Gateway,
    path: &str,
    phone: &str,
    spare: &str,
    clients: usize,
    busy: bool,
) -> Result<f64> {
    let body = Asker::new(&gateway.authority, path, &gateway.token)
        .await?
        .read()
        .await?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &body)?;
    let file_name = file
        .path()
        .to_str()
        .context("the temporary file's name is no text")?;
    let mut plain = Process::start("labelwire-bench", &["static", file_name])?;
    let plain_at = plain.line().await?;

    let changing = Arc::new(AtomicBool::new(busy));
    // Ten changes a second on the account, also while the static handler is
    // measured: both share the machine with them.
    let changer = {
        let (sim, changing) = (Arc::clone(sim), Arc::clone(&changing));
        let (phone, spare) = (phone.to_owned(), spare.to_owned());
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            let mut n = 0u32;
            while changing.load(Ordering::Relaxed) {
                tick.tick().await;
                let jid = chat((n / 2) * 37 % 5_000);
                sim.label(&phone, &spare, &jid, n.is_multiple_of(2)).await?;
                n += 1;
            }
            Ok::<_, anyhow::Error>(n)
        })
    };
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let theirs = rate(&plain_at, "/", "", clients).await?;
        let ours = rate(&gateway.authority, path, &gateway.token, clients).await?;
        ratios.push(ours / theirs);
    }
    changing.store(false, Ordering::Relaxed);
    let changes = changer.await??;
    if busy && changes < 50 {
        bail!("only {changes} changes were made");
    }
    plain.stop().await?;
    Ok(median(ratios))
}

/// Requests a second of so many clients without pause.
async fn rate(authority: &str, path: &str, token: &str, clients: usize) -> Result<f64> {
    let until = Instant::now() + ROUND;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let mut asker = Asker::new(authority, path, token).await?;
        asker.ask().await?;
        tasks.spawn(async move {
            let mut asked = 0u32;
            while Instant::now() < until {
                asker.ask().await?;
                asked += 1;
            }
            Ok::<_, anyhow::Error>(asked)
        });
    }
    let start = Instant::now();
    let mut asked = 0;
    while let Some(count) = tasks.join_next().await {
        asked += count??;
    }
    Ok(f64::from(asked) / start.elapsed().as_secs_f64())
}

/// Median latency of one chat's labels at 200 requests a second, beside somebody
/// who lists 15,000 chats without pause, against alone.
async fn one_chat(gateway: &Gateway) -> Result<()> {
    let alone = one_chat_p50(gateway).await?;
    let listing = Arc::new(AtomicBool::new(true));
    let path = "/api/chat/contactsByLabel/large?labelNames=Some";
    let mut lister = Asker::new(&gateway.authority, path, &gateway.token).await?;
    let bytes = lister.ask().await?;
    let task = {
        let listing = Arc::clone(&listing);
        tokio::spawn(async move {
            let mut lists = 0u32;
            while listing.load(Ordering::Relaxed) {
                lister.ask().await?;
                lists += 1;
            }
            Ok::<_, anyhow::Error>(lists)
        })
    };
    let beside = one_chat_p50(gateway).await?;
    listing.store(false, Ordering::Relaxed);
    let lists = task.await??;
    eprintln!("lists: {lists} lists of {bytes} bytes were sent beside");
    figure("one_chat_alone_p50", alone * 1e6, "us");
    figure("one_chat_beside_lister_p50", beside * 1e6, "us");
    figure("one_chat_beside_lister_p50_ratio", beside / alone, "x");
    Ok(())
}

async fn one_chat_p50(gateway: &Gateway) -> Result<f64> {
    let path = format!("/v1/instances/large/chats/{}/labels", chat(77));
    let mut asker = Asker::new(&gateway.authority, &path, &gateway.token).await?;
    asker.ask().await?;
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let mut took = Vec::new();
    for _ in 0..1_600 {
        tick.tick().await;
        // Not from when it was due: the timer's grain of a millisecond is longer
        // than the answer takes.
        let asked = Instant::now();
        asker.ask().await?;
        took.push(asked.elapsed().as_secs_f64());
    }
    Ok(median(took))
}
