//! What the gateway adds to a first sync of 100,000 associations.

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::process::Process;
use crate::stand::{Gateway, Sim};
use crate::{figure, median, peer};

const ROUNDS: usize = 5;
const PHONE: &str = "5511900000000";

/// Milliseconds from the scan to the last association, and peak MiB.
type Cost = (f64, f64);

pub(crate) async fn run() -> Result<()> {
    eprintln!("first_sync: an account with 100,000 associations");
    let sim = Sim::start().await?;
    sim.post(
        "/accounts",
        &json!({ "phone": PHONE, "kind": "business", "name": "Bench", "seed": 1, "chats": 40_000, "labels": 20, "associations": 100_000 }),
    )
    .await?;
    // The simulator makes the snapshot once; nobody shall pay for that.
    bare(&sim).await?;
    let postgres = std::env::var("LABELWIRE_TEST_POSTGRES_URL").ok();
    let (mut peers, mut sqlite, mut pg) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("first_sync: round {round} of {ROUNDS}");
        peers.push(bare(&sim).await?);
        sqlite.push(gateway(&sim, None).await?);
        if let Some(url) = &postgres {
            let database = Database::create(url, round).await?;
            pg.push(gateway(&sim, Some(&database.url)).await?);
        }
    }
    let (peer_ms, peer_mib) = middle(&peers);
    let (ms, mib) = middle(&sqlite);
    figure("first_sync_peer_wall", peer_ms, "ms");
    figure("first_sync_peer_rss", peer_mib, "MiB");
    figure("first_sync_sqlite_wall", ms, "ms");
    figure("first_sync_sqlite_rss", mib, "MiB");
    figure("first_sync_wall_ratio", ms / peer_ms, "x");
    figure("first_sync_rss_ratio", mib / peer_mib, "x");
    if pg.is_empty() {
        eprintln!("first_sync: no PostgreSQL (LABELWIRE_TEST_POSTGRES_URL is not set)");
    } else {
        let (ms, mib) = middle(&pg);
        figure("first_sync_postgres_wall_ratio", ms / peer_ms, "x");
        figure("first_sync_postgres_rss_ratio", mib / peer_mib, "x");
    }
    Ok(())
}

fn middle(costs: &[Cost]) -> Cost {
    (
        median(costs.iter().map(|c| c.0).collect()),
        median(costs.iter().map(|c| c.1).collect()),
    )
}

async fn bare(sim: &Sim) -> Result<Cost> {
    let mut process = Process::start("labelwire-bench", &["peer", &sim.ws_url, &sim.url])?;
    let line = process.line().await?;
    let code = line
        .strip_prefix("qr ")
        .context("the peer showed no QR code")?;
    let start = peer::now();
    sim.scan(PHONE, code).await?;
    let line = process.line().await?;
    let mut words = line.split(' ').skip(1);
    let seen: u64 = words.next().context("no count")?.parse()?;
    let last: u64 = words.next().context("no time")?.parse()?;
    if seen < 100_000 {
        bail!("the peer saw {seen} associations");
    }
    let cost = (millis(start, last), process.peak_kib()? / 1024.0);
    process.stop().await?;
    Ok(cost)
}

async fn gateway(sim: &Sim, database: Option<&str>) -> Result<Cost> {
    let gateway = Gateway::start(sim, database, "30").await?;
    let code = gateway.offer("bench").await?;
    let start = peer::now();
    sim.scan(PHONE, &code).await?;
    gateway.synced("bench").await?;
    let end = peer::now();
    let peak = gateway.process.peak_kib()? / 1024.0;
    // Only now, for the answer itself takes memory: is it really all there?
    let (status, answer) = gateway.get("/api/chat/contactsByLabel/bench").await?;
    let rows = answer["total_rows"].as_u64().unwrap_or_default();
    if status != 200 || rows < 95_000 {
        bail!("the mirror holds {rows} rows (status {status})");
    }
    gateway.process.stop().await?;
    Ok((millis(start, end), peak))
}

fn millis(start: u64, end: u64) -> f64 {
    f64::from(u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX)) / 1000.0
}

/// A fresh database on the server of the URL, made by its own client program.
struct Database {
    url: String,
}

impl Database {
    async fn create(server: &str, round: usize) -> Result<Self> {
        let name = format!("labelwire_bench_{}_{round}", std::process::id());
        let made = tokio::process::Command::new("psql")
            .args([server, "-qc", &format!("CREATE DATABASE {name}")])
            .status()
            .await?;
        if !made.success() {
            bail!("`psql` could not make a database");
        }
        let (base, _) = server
            .rsplit_once('/')
            .context("the PostgreSQL URL names no database")?;
        Ok(Self {
            url: format!("{base}/{name}"),
        })
    }
}
