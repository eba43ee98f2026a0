//! Use cases that read labels: list them, count them, list chats by them.

use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::chat::ChatJid;
use labelwire_domain::label::{Label, LabelFilter, id_order};
use labelwire_domain::token::Scope;
use labelwire_store::chat_labels;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::identity;
use crate::instance::Handle;
use crate::lists::{Answer, ChatList, Render};

/// How long a caller waits for a refresh.
const REFRESH_PATIENCE: Duration = Duration::from_secs(60);

/// The answer to "which chats carry these labels".
pub struct ChatsByLabel {
    /// The chats.
    pub list: Answer,
    /// The label ids the filter came to; empty where none was given or none matched.
    pub filter_label_ids: Vec<String>,
}

impl App {
    /// An instance's live labels, by id.
    ///
    /// # Errors
    /// [`Error::NeverSynced`] for an instance that was never paired.
    pub async fn list_labels(&self, caller: &Caller, name: &str) -> Result<Vec<Label>, Error> {
        let handle = self.synced(caller, name)?;
        let labels = self.lists().labels(&handle).await?;
        Ok(labels.all.iter().filter(|l| !l.deleted).cloned().collect())
    }

    /// The chats that carry at least one label of the filter, or any label where
    /// the filter is empty. A chat comes with all its live labels. With `refresh`,
    /// the mirror is first made equal to WhatsApp's present state.
    ///
    /// # Errors
    /// [`Error::NeverSynced`], [`Error::NotConnected`] (refresh only),
    /// [`Error::RefreshTimeout`].
    pub async fn chats_by_label(
        &self,
        caller: &Caller,
        name: &str,
        filter: &LabelFilter,
        refresh: bool,
        render: &'static dyn Render,
    ) -> Result<ChatsByLabel, Error> {
        let handle = if refresh {
            let handle = self.instance(caller, Scope::Read, name)?;
            handle.refresh(REFRESH_PATIENCE).await?;
            handle
        } else {
            self.synced(caller, name)?
        };
        if filter.is_empty() {
            let list = self.lists().chats(&handle, None, render).await?;
            return Ok(ChatsByLabel {
                list,
                filter_label_ids: Vec::new(),
            });
        }
        let labels = self.lists().labels(&handle).await?;
        let ids = filter.resolve(&labels.all);
        if ids.is_empty() {
            // What names no live label matches nothing; it never widens to "all".
            return Ok(ChatsByLabel {
                list: Answer::Kept(Arc::new(ChatList::default())),
                filter_label_ids: ids,
            });
        }
        let list = self
            .lists()
            .chats(&handle, Some(ids.clone()), render)
            .await?;
        Ok(ChatsByLabel {
            list,
            filter_label_ids: ids,
        })
    }

    /// The live labels of one chat, by id, under whichever of its ids it is asked for.
    ///
    /// # Errors
    /// [`Error::NeverSynced`], [`Error::InvalidChat`].
    pub async fn labels_of_chat(
        &self,
        caller: &Caller,
        name: &str,
        chat: &str,
    ) -> Result<(String, Vec<Label>), Error> {
        let handle = self.synced(caller, name)?;
        self.labels_on(&handle, chat).await
    }

    /// The same for whoever has asked for permission already.
    pub(crate) async fn labels_on(
        &self,
        handle: &Handle,
        chat: &str,
    ) -> Result<(String, Vec<Label>), Error> {
        let jid = ChatJid::parse(chat)?;
        let labels = self.lists().labels(handle).await?;
        let mut reader = self.db().reader().await?;
        let shown = identity::find(&mut reader, handle.key, &jid).await?;
        let rows = chat_labels::live_of_chats(reader.conn(), handle.key, &[&shown]).await?;
        let mut live: Vec<Label> = rows
            .iter()
            .filter_map(|r| labels.live(&r.label_id))
            .cloned()
            .collect();
        live.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        live.dedup_by(|a, b| a.id == b.id);
        Ok((shown, live))
    }

    /// One live label.
    ///
    /// # Errors
    /// [`Error::NeverSynced`], [`Error::LabelNotFound`].
    pub async fn label(&self, caller: &Caller, name: &str, id: &str) -> Result<Label, Error> {
        let handle = self.synced(caller, name)?;
        let labels = self.lists().labels(&handle).await?;
        labels
            .live(id)
            .cloned()
            .ok_or_else(|| Error::LabelNotFound(id.to_owned()))
    }

    /// The chats that carry a label, by their shown names, in order; none for a
    /// label that is unknown or deleted.
    ///
    /// # Errors
    /// [`Error::NeverSynced`]; the database's.
    pub async fn chats_of_label(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
    ) -> Result<Vec<String>, Error> {
        let handle = self.synced(caller, name)?;
        let labels = self.lists().labels(&handle).await?;
        if labels.live(id).is_none() {
            return Ok(Vec::new());
        }
        let mut reader = self.db().reader().await?;
        let mut chats =
            chat_labels::chats_of_label(reader.conn(), handle.key, id, i64::MAX).await?;
        chats.sort_unstable();
        chats.dedup();
        Ok(chats)
    }

    /// The live labels, by id, each with the number of chats that carry it. A
    /// person known by number and by hidden id counts once.
    ///
    /// # Errors
    /// [`Error::NeverSynced`]; the database's.
    pub async fn label_counts(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<Vec<(Label, u64)>, Error> {
        let handle = self.synced(caller, name)?;
        let labels = self.lists().labels(&handle).await?;
        let mut reader = self.db().reader().await?;
        let counts = chat_labels::counts(reader.conn(), handle.key).await?;
        Ok(labels
            .all
            .iter()
            .filter(|l| !l.deleted)
            .map(|l| (l.clone(), counts.get(&l.id).copied().unwrap_or_default()))
            .collect())
    }

    /// An instance whose labels can be read, online or not.
    pub(crate) fn synced(&self, caller: &Caller, name: &str) -> Result<Arc<Handle>, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        if handle.status().synced {
            Ok(handle)
        } else {
            Err(Error::NeverSynced(name.to_owned()))
        }
    }
}
