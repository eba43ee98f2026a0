//! The device: what pairing made of us.

use std::sync::Arc;

use async_trait::async_trait;
use labelwire_store::protocol::{self as rows, Entry, Kind};
use whatsapp_rust::wacore::stats::StorageResourceReport;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::device::DEVICE_PROPS;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::DeviceStore;

use super::{SqlBackend, failed, from_json, to_json};

/// There is one device an instance.
const KEY: &str = "device";

#[async_trait]
impl DeviceStore for SqlBackend {
    async fn save(&self, device: &Device) -> Result<()> {
        let _edit = self.edit.lock().await;
        self.put(Kind::Device, KEY, &to_json(device)?).await
    }

    async fn load(&self) -> Result<Option<Device>> {
        let Some(bytes) = self.value(Kind::Device, KEY).await? else {
            return Ok(None);
        };
        let mut device: Device = from_json(&bytes)?;
        // Not serialised, and empty by default: a device that was never paired
        // would announce itself as nothing at all.
        device.device_props = Arc::new(DEVICE_PROPS.clone());
        Ok(Some(device))
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.get(Kind::Device, KEY).await?.is_some())
    }

    async fn create(&self) -> Result<i32> {
        let _edit = self.edit.lock().await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        let known = rows::get(tx.conn(), self.instance, Kind::Device, KEY)
            .await
            .map_err(failed)?;
        if known.is_none() {
            let value = to_json(&Device::new())?;
            let entry = Entry {
                key: KEY,
                value: &value,
                at: self.clock.now(),
            };
            rows::put(&mut tx, self.instance, Kind::Device, entry)
                .await
                .map_err(failed)?;
            tx.commit().await.map_err(failed)?;
        }
        Ok(1)
    }

    /// The overlay only; the database's caches are shared by all instances.
    async fn resource_report(&self) -> StorageResourceReport {
        StorageResourceReport {
            memory_bytes: Some(self.regular.heap_bytes()),
            ..StorageResourceReport::default()
        }
    }
}
