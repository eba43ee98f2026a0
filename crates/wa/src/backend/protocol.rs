//! What WhatsApp Web keeps beside the keys: LIDs, devices, groups, tokens, and
//! messages under way.

use async_trait::async_trait;
use labelwire_domain::clock::Timestamp;
use labelwire_store::lid_map::{self, Mapping};
use labelwire_store::protocol::{self as rows, Entry, Kind};
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::{
    DeviceListRecord, LidPnMappingEntry, PendingInboundKey, PendingInboundRow, ProtocolStore,
    TcTokenEntry,
};

use super::{
    SqlBackend, count, failed, from_json, from_secs, joined, joined_prefix, second_part, storable,
    to_json, to_secs,
};

/// Mappings copied at once: a history sync brings 100,000.
const CHUNK: usize = 5_000;

fn to_mapping(entry: &LidPnMappingEntry) -> Mapping {
    Mapping {
        lid: storable(&entry.lid).into_owned(),
        phone: storable(&entry.phone_number).into_owned(),
        created_at: from_secs(entry.created_at).0,
        updated_at: from_secs(entry.updated_at).0,
        learning_source: storable(&entry.learning_source).into_owned(),
    }
}

fn from_mapping(mapping: Mapping) -> LidPnMappingEntry {
    LidPnMappingEntry {
        lid: mapping.lid,
        phone_number: mapping.phone,
        created_at: to_secs(mapping.created_at),
        updated_at: to_secs(mapping.updated_at),
        learning_source: mapping.learning_source,
    }
}

impl SqlBackend {
    async fn learn(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        // A lock of its own: history brings dozens of batches at once, and behind
        // them in one queue the login itself would wait.
        let _learning = self.learning.lock().await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        let mut news = Vec::new();
        for chunk in entries.chunks(CHUNK) {
            let mappings: Vec<Mapping> = chunk.iter().map(to_mapping).collect();
            news.extend(
                lid_map::put_many(&mut tx, self.instance, &mappings)
                    .await
                    .map_err(failed)?,
            );
        }
        tx.commit().await.map_err(failed)?;
        if !news.is_empty() {
            self.regular.lids_learned(news);
        }
        Ok(())
    }

    /// Changes a contact's token, with nothing between the read and the write.
    async fn edit_tc_token(
        &self,
        jid: &str,
        change: impl FnOnce(Option<TcTokenEntry>) -> Option<TcTokenEntry> + Send,
    ) -> Result<()> {
        let jid = storable(jid);
        let _edit = self.edit.lock().await;
        let mut tx = self.db.begin().await.map_err(failed)?;
        let row = rows::get(tx.conn(), self.instance, Kind::TcToken, &jid)
            .await
            .map_err(failed)?;
        let before = row.map(|row| from_json(&row.value)).transpose()?;
        let Some(after) = change(before) else {
            return Ok(());
        };
        let value = to_json(&after)?;
        let entry = Entry {
            key: &jid,
            value: &value,
            at: Timestamp(0),
        };
        rows::put(&mut tx, self.instance, Kind::TcToken, entry)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn put_device_lists(&self, records: &[DeviceListRecord]) -> Result<()> {
        let values = records
            .iter()
            .map(|record| Ok((record.user.as_str(), to_json(record)?, Timestamp(0))))
            .collect::<Result<Vec<_>>>()?;
        self.put_many(Kind::DeviceList, &values).await
    }
}

#[async_trait]
impl ProtocolStore for SqlBackend {
    async fn get_sender_key_devices(&self, group_jid: &str) -> Result<Vec<(String, bool)>> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        let prefix = joined_prefix(group_jid);
        let found = rows::list_prefix(reader.conn(), self.instance, Kind::SenderKeyDevice, &prefix)
            .await
            .map_err(failed)?;
        Ok(found
            .into_iter()
            .map(|row| (row.key[prefix.len()..].to_owned(), row.value == [1]))
            .collect())
    }

    async fn set_sender_key_status(&self, group_jid: &str, entries: &[(&str, bool)]) -> Result<()> {
        let values: Vec<_> = entries
            .iter()
            .map(|(device, has)| (joined(&[group_jid, device]), [u8::from(*has)], Timestamp(0)))
            .collect();
        self.put_many(Kind::SenderKeyDevice, &values).await
    }

    async fn clear_sender_key_devices(&self, group_jid: &str) -> Result<()> {
        let mut tx = self.db.begin().await.map_err(failed)?;
        let prefix = joined_prefix(group_jid);
        rows::delete_prefix(&mut tx, self.instance, Kind::SenderKeyDevice, &prefix)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn delete_sender_key_device_rows(&self, device_jids: &[&str]) -> Result<()> {
        if device_jids.is_empty() {
            return Ok(());
        }
        let _edit = self.edit.lock().await;
        let keys = {
            let mut reader = self.db.reader().await.map_err(failed)?;
            rows::list_keys(reader.conn(), self.instance, Kind::SenderKeyDevice)
                .await
                .map_err(failed)?
        };
        let gone: Vec<String> = keys
            .into_iter()
            .filter(|key| second_part(key).is_some_and(|device| device_jids.contains(&device)))
            .collect();
        self.delete_many(Kind::SenderKeyDevice, &gone)
            .await
            .map(drop)
    }

    async fn clear_all_sender_key_devices(&self) -> Result<()> {
        let mut tx = self.db.begin().await.map_err(failed)?;
        rows::delete_kind(&mut tx, self.instance, Kind::SenderKeyDevice)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        let found = lid_map::find_by_lid(reader.conn(), self.instance, &storable(lid))
            .await
            .map_err(failed)?;
        Ok(found.map(from_mapping))
    }

    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        let found = lid_map::find_by_phone(reader.conn(), self.instance, &storable(phone))
            .await
            .map_err(failed)?;
        Ok(found.map(from_mapping))
    }

    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        self.learn(std::slice::from_ref(entry)).await
    }

    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        self.learn(entries).await
    }

    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        let all = lid_map::all(reader.conn(), self.instance)
            .await
            .map_err(failed)?;
        Ok(all.into_iter().map(from_mapping).collect())
    }

    async fn save_base_key(&self, address: &str, message_id: &str, base_key: &[u8]) -> Result<()> {
        self.put(Kind::BaseKey, &joined(&[address, message_id]), base_key)
            .await
    }

    async fn has_same_base_key(
        &self,
        address: &str,
        message_id: &str,
        current_base_key: &[u8],
    ) -> Result<bool> {
        let saved = self
            .value(Kind::BaseKey, &joined(&[address, message_id]))
            .await?;
        Ok(saved.is_some_and(|saved| saved == current_base_key))
    }

    async fn delete_base_key(&self, address: &str, message_id: &str) -> Result<()> {
        self.delete(Kind::BaseKey, &joined(&[address, message_id]))
            .await
    }

    async fn update_device_list(&self, record: DeviceListRecord) -> Result<()> {
        self.put_device_lists(&[record]).await
    }

    async fn update_device_lists(&self, records: Vec<DeviceListRecord>) -> Result<()> {
        self.put_device_lists(&records).await
    }

    async fn get_devices(&self, user: &str) -> Result<Option<DeviceListRecord>> {
        let value = self.value(Kind::DeviceList, user).await?;
        value.map(|value| from_json(&value)).transpose()
    }

    async fn delete_devices(&self, user: &str) -> Result<()> {
        self.delete(Kind::DeviceList, user).await
    }

    async fn get_group_metadata(&self, group_jid: &str) -> Result<Option<Vec<u8>>> {
        self.value(Kind::GroupMetadata, group_jid).await
    }

    async fn put_group_metadata(&self, group_jid: &str, blob: &[u8]) -> Result<()> {
        self.put(Kind::GroupMetadata, group_jid, blob).await
    }

    async fn delete_group_metadata(&self, group_jid: &str) -> Result<()> {
        self.delete(Kind::GroupMetadata, group_jid).await
    }

    async fn get_tc_token(&self, jid: &str) -> Result<Option<TcTokenEntry>> {
        let value = self.value(Kind::TcToken, jid).await?;
        value.map(|value| from_json(&value)).transpose()
    }

    async fn put_tc_token(&self, jid: &str, entry: &TcTokenEntry) -> Result<()> {
        let _edit = self.edit.lock().await;
        self.put(Kind::TcToken, jid, &to_json(entry)?).await
    }

    async fn delete_tc_token(&self, jid: &str) -> Result<()> {
        let _edit = self.edit.lock().await;
        self.delete(Kind::TcToken, jid).await
    }

    async fn get_all_tc_token_jids(&self) -> Result<Vec<String>> {
        let mut reader = self.db.reader().await.map_err(failed)?;
        rows::list_keys(reader.conn(), self.instance, Kind::TcToken)
            .await
            .map_err(failed)
    }

    async fn delete_expired_tc_tokens(&self, token_cutoff: i64, sender_cutoff: i64) -> Result<u32> {
        let _edit = self.edit.lock().await;
        let mut gone = Vec::new();
        for row in self.list(Kind::TcToken).await? {
            let entry: TcTokenEntry = from_json(&row.value)?;
            let token_live = !entry.token.is_empty() && entry.token_timestamp >= token_cutoff;
            let sender_live = entry.sender_timestamp.is_some_and(|ts| ts >= sender_cutoff);
            if !token_live && !sender_live {
                gone.push(row.key);
            }
        }
        Ok(count(self.delete_many(Kind::TcToken, &gone).await?))
    }

    async fn touch_tc_token_sender_timestamp(
        &self,
        jid: &str,
        sender_timestamp: i64,
    ) -> Result<()> {
        self.edit_tc_token(jid, |before| match before {
            Some(known)
                if known
                    .sender_timestamp
                    .is_some_and(|ts| ts >= sender_timestamp) =>
            {
                None
            }
            Some(known) => Some(TcTokenEntry {
                sender_timestamp: Some(sender_timestamp),
                ..known
            }),
            None => Some(TcTokenEntry {
                token: Vec::new(),
                token_timestamp: sender_timestamp,
                sender_timestamp: Some(sender_timestamp),
            }),
        })
        .await
    }

    async fn store_received_tc_token(
        &self,
        jid: &str,
        token: &[u8],
        token_timestamp: i64,
    ) -> Result<()> {
        self.edit_tc_token(jid, |before| {
            let fresher = before
                .as_ref()
                .is_some_and(|b| !b.token.is_empty() && b.token_timestamp > token_timestamp);
            (!fresher).then(|| TcTokenEntry {
                token: token.to_vec(),
                token_timestamp,
                sender_timestamp: before.and_then(|b| b.sender_timestamp),
            })
        })
        .await
    }

    async fn store_sent_message(
        &self,
        chat_jid: &str,
        message_id: &str,
        payload: &[u8],
    ) -> Result<()> {
        let key = joined(&[chat_jid, message_id]);
        self.put_at(Kind::SentMessage, &key, payload, self.clock.now())
            .await
    }

    async fn take_sent_message(&self, chat_jid: &str, message_id: &str) -> Result<Option<Vec<u8>>> {
        let key = joined(&[chat_jid, message_id]);
        let mut tx = self.db.begin().await.map_err(failed)?;
        let taken = rows::take(&mut tx, self.instance, Kind::SentMessage, &key)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(taken.map(|row| row.value))
    }

    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.delete_older(Kind::SentMessage, from_secs(cutoff_timestamp))
            .await
    }

    async fn store_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
        message: &[u8],
    ) -> Result<()> {
        let key = joined(&[chat, sender, id]);
        self.put_at(Kind::PendingInbound, &key, message, self.clock.now())
            .await
    }

    async fn get_pending_inbound(
        &self,
        chat: &str,
        sender: &str,
        id: &str,
    ) -> Result<Option<Vec<u8>>> {
        self.value(Kind::PendingInbound, &joined(&[chat, sender, id]))
            .await
    }

    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.delete(Kind::PendingInbound, &joined(&[chat, sender, id]))
            .await
    }

    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        self.delete_older(Kind::PendingInbound, from_secs(cutoff_timestamp))
            .await
    }

    async fn store_pending_inbound_batch(&self, batch: &[PendingInboundRow<'_>]) -> Result<()> {
        let now = self.clock.now();
        let values: Vec<_> = batch
            .iter()
            .map(|row| (joined(&[row.chat, row.sender, row.id]), row.message, now))
            .collect();
        self.put_many(Kind::PendingInbound, &values).await
    }

    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        let keys: Vec<String> = keys
            .iter()
            .map(|k| joined(&[k.chat, k.sender, k.id]))
            .collect();
        self.delete_many(Kind::PendingInbound, &keys)
            .await
            .map(drop)
    }
}
