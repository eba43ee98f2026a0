//! One change on the phone until a list shows it: on an account with 300,000
//! associations against one with 1,000.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::http::Asker;
use crate::stand::{Gateway, Sim, chat};
use crate::{figure, median};

const CHANGES: u32 = 60;

pub(crate) async fn run() -> Result<()> {
    eprintln!("live: accounts of 1,000 and 300,000 associations");
    let sim = Sim::start().await?;
    let accounts = [
        ("small", "5511900000001", 1_000),
        ("large", "5511900000300", 300_000),
    ];
    let gateway = Gateway::start(&sim, None, "30").await?;
    for (name, phone, associations) in accounts {
        sim.account(phone, &[("Many", associations), ("One", 0)])
            .await?;
        gateway.pair(&sim, name, phone).await?;
    }
    // By turns, so that whatever else the machine does meets both.
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..6 {
        for (at, (name, phone, _)) in accounts.iter().enumerate() {
            let times = changes(&sim, &gateway, name, phone, CHANGES / 6).await?;
            if round > 0 {
                took[at].extend(times);
            }
        }
    }
    let [small, large] = took.map(median);
    figure("live_change_1k", small * 1e3, "ms");
    figure("live_change_300k", large * 1e3, "ms");
    figure("live_change_300k_ratio", large / small, "x");
    Ok(())
}

async fn changes(
    sim: &Sim,
    gateway: &Gateway,
    name: &str,
    phone: &str,
    count: u32,
) -> Result<Vec<f64>> {
    let path = format!("/api/chat/contactsByLabel/{name}?labelNames=One");
    let mut asker = Asker::new(&gateway.authority, &path, &gateway.token).await?;
    let jid = chat(500);
    let mut took = Vec::new();
    for n in 0..count {
        let on = n.is_multiple_of(2);
        let start = Instant::now();
        sim.label(phone, "2", &jid, on).await?;
        loop {
            let body = asker.read().await?;
            let shown = String::from_utf8_lossy(&body).contains("\"total_chats\":1");
            if shown == on {
                break;
            }
            if start.elapsed() > Duration::from_secs(20) {
                bail!("a change on `{name}` was not seen within 20 s");
            }
        }
        took.push(start.elapsed().as_secs_f64());
    }
    Ok(took)
}
