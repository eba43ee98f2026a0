//! Writes: one link against the library's own call, many chats in one call
//! against one patch a chat, and many clients at once.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::bare::Bare;
use crate::stand::{Gateway, Sim, chat};
use crate::{figure, median};

const PHONE: &str = "5511900000777";
const INSTANCE: &str = "shop";
const LINKS: u32 = 60;
const BULK: u32 = 10_000;
const CLIENTS: u32 = 16;
const LINKS_EACH: u32 = 100;

pub(crate) async fn run(wanted: impl Fn(&str) -> bool) -> Result<()> {
    eprintln!("writes: an account of 1,000 associations");
    let sim = Sim::start().await?;
    sim.account(
        PHONE,
        &[("Many", 1_000), ("Bulk", 0), ("Single", 0), ("Link", 0)],
    )
    .await?;
    let gateway = Gateway::start(&sim, None, "30").await?;
    gateway.pair(&sim, INSTANCE, PHONE).await?;
    if wanted("link_ratio") {
        let bare = Bare::pair(&sim, PHONE).await?;
        for ms in [20, 0] {
            links(&sim, &gateway, &bare, ms).await?;
        }
    }
    if wanted("link_c16") {
        parallel(&gateway).await?;
    }
    if wanted("bulk_10k") {
        bulk(&sim, &gateway).await?;
    }
    Ok(())
}

async fn link(gateway: &Gateway, label: &str, chat: &str) -> Result<()> {
    let path = format!("/v1/instances/{INSTANCE}/chats/{chat}/labels/{label}");
    let (status, answer) = gateway.put(&path).await?;
    if status != 200 {
        bail!("PUT {path}: {status} {answer}");
    }
    Ok(())
}

/// By turns, so that whatever else the machine does meets both.
async fn links(sim: &Sim, gateway: &Gateway, bare: &Bare, ms: u32) -> Result<()> {
    eprintln!("writes: links with {ms} ms of delay");
    if ms > 0 {
        sim.post(
            &format!("/accounts/{PHONE}/faults"),
            &json!({ "kind": "delay", "ms": ms }),
        )
        .await?;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // A few first ones do not count.
    for n in 0..LINKS + 5 {
        let (a, b) = (chat(20_000 + ms * 1_000 + n), chat(60_000 + ms * 1_000 + n));
        let start = Instant::now();
        link(gateway, "4", &a).await?;
        let took = start.elapsed();
        settled(sim, gateway).await?;
        let start = Instant::now();
        bare.link("4", &b).await?;
        let bare_took = start.elapsed();
        settled(sim, gateway).await?;
        if n >= 5 {
            ours.push(took.as_secs_f64());
            theirs.push(bare_took.as_secs_f64());
        }
    }
    if ms > 0 {
        sim.delete(&format!("/accounts/{PHONE}/faults")).await?;
    }
    let (ours, theirs) = (median(ours), median(theirs));
    figure(&format!("link_{ms}ms"), ours * 1e3, "ms");
    figure(&format!("link_bare_{ms}ms"), theirs * 1e3, "ms");
    figure(&format!("link_ratio_{ms}ms"), ours / theirs, "x");
    Ok(())
}

/// Waits until both clients have seen the change of the other: each is to write on
/// what it knows, without a conflict.
async fn settled(sim: &Sim, gateway: &Gateway) -> Result<()> {
    let truth = sim.get(&format!("/accounts/{PHONE}/truth")).await?;
    let want = truth["associations"]
        .as_array()
        .map(|all| all.iter().filter(|a| a["label_id"] == "4").count())
        .unwrap_or_default();
    for _ in 0..2_000 {
        let path = format!("/v1/instances/{INSTANCE}/labels/counts");
        let (_, counts) = gateway.get(&path).await?;
        let text = counts.to_string();
        if text.contains(&format!("\"chats\":{want}")) {
            // The bare client is told at the same time; it has no HTTP to be asked by.
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    bail!("the gateway did not see the other client's link")
}

async fn parallel(gateway: &Gateway) -> Result<()> {
    eprintln!("writes: {CLIENTS} clients at once");
    let start = Instant::now();
    let clients = (0..CLIENTS).map(|client| async move {
        for n in 0..LINKS_EACH {
            link(gateway, "4", &chat(100_000 + client * 1_000 + n)).await?;
        }
        Ok::<_, anyhow::Error>(())
    });
    futures_util::future::try_join_all(clients).await?;
    let rate = f64::from(CLIENTS * LINKS_EACH) / start.elapsed().as_secs_f64();
    figure("link_c16", rate, "writes/s");
    Ok(())
}

async fn version(sim: &Sim) -> Result<f64> {
    sim.get(&format!("/accounts/{PHONE}/truth")).await?["version"]
        .as_f64()
        .context("the truth has a version")
}

async fn bulk(sim: &Sim, gateway: &Gateway) -> Result<()> {
    eprintln!("writes: {BULK} chats in one call, then one by one");
    let chats: Vec<String> = (0..BULK).map(|n| chat(200_000 + n)).collect();
    let before = version(sim).await?;
    let start = Instant::now();
    let path = format!("/v1/instances/{INSTANCE}/chats/labels");
    let (status, answer) = gateway
        .post(&path, &json!({ "chats": chats, "add": ["2"] }))
        .await?;
    let together = start.elapsed().as_secs_f64();
    if status != 200 {
        bail!("POST {path}: {status} {answer}");
    }
    let between = version(sim).await?;
    let start = Instant::now();
    for chat in &chats {
        link(gateway, "3", chat).await?;
    }
    let singly = start.elapsed().as_secs_f64();
    let after = version(sim).await?;
    figure("bulk_10k_s", together, "s");
    figure("bulk_10k_singly_s", singly, "s");
    // A patch is two round trips either way: it, and its echo.
    figure("bulk_10k_patches", between - before, "patches");
    figure(
        "bulk_10k_roundtrip_ratio",
        (after - between) / (between - before),
        "x",
    );
    figure("bulk_10k_wall_ratio", singly / together, "x");
    Ok(())
}
