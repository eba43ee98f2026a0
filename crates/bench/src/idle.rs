//! Memory of a connected instance that has nothing to do.

use std::time::Duration;

use anyhow::Result;

use crate::figure;
use crate::stand::{Gateway, Sim};

const INSTANCES: u32 = 100;
const REST: Duration = Duration::from_secs(60);

pub(crate) async fn run() -> Result<()> {
    eprintln!("idle: {INSTANCES} connected instances with 812 pre-keys each");
    let sim = Sim::start().await?;
    let gateway = Gateway::start(&sim, None, "812").await?;
    let mut first = 0.0;
    for n in 0..INSTANCES {
        let phone = format!("5511910000{n:03}");
        sim.account(&phone, &[("VIP", 20), ("New", 5)]).await?;
        gateway.pair(&sim, &format!("idle{n}"), &phone).await?;
        if n == 0 {
            tokio::time::sleep(REST).await;
            first = gateway.process.resident_kib()?;
        }
        if n % 20 == 19 {
            eprintln!("idle: {} paired", n + 1);
        }
    }
    tokio::time::sleep(REST).await;
    let all = gateway.process.resident_kib()?;
    let each = (all - first) / f64::from(INSTANCES - 1) / 1024.0;
    figure("idle_first_rss", first / 1024.0, "MiB");
    figure("idle_100_rss", all / 1024.0, "MiB");
    figure("idle_instance_mib", each, "MiB");
    Ok(())
}
