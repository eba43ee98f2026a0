//! Use cases on labels: list them, list chats by them, put them on and take them off.

use std::sync::Arc;
use std::time::Duration;

use labelwire_domain::change::Association;
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
        let jid = ChatJid::parse(chat)?;
        let labels = self.lists().labels(&handle).await?;
        let mut reader = self.db().reader().await?;
        let mut shown = identity::shown(reader.conn(), handle.key, &jid).await?;
        let mut rows = chat_labels::live_of_chats(reader.conn(), handle.key, &[&shown]).await?;
        if rows.is_empty()
            && let Some(twin) = jid.ninth_digit_twin()
        {
            rows = chat_labels::live_of_chats(reader.conn(), handle.key, &[twin.as_str()]).await?;
            if !rows.is_empty() {
                twin.as_str().clone_into(&mut shown);
            }
        }
        let mut live: Vec<Label> = rows
            .iter()
            .filter_map(|r| labels.live(&r.label_id))
            .cloned()
            .collect();
        live.sort_unstable_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
        live.dedup_by(|a, b| a.id == b.id);
        Ok((shown, live))
    }

    /// Puts a label on a chat or takes it off. Answers after WhatsApp accepted it
    /// and the mirror holds it. A label is taken off under every key it is on.
    ///
    /// # Errors
    /// [`Error::LabelNotFound`], [`Error::NotConnected`], [`Error::Phone`].
    pub async fn set_chat_label(
        &self,
        caller: &Caller,
        name: &str,
        label_id: &str,
        chat: &str,
        labeled: bool,
    ) -> Result<String, Error> {
        let handle = self.instance(caller, Scope::Label, name)?;
        let jid = ChatJid::parse(chat)?;
        handle.require_connected()?;
        let labels = self.lists().labels(&handle).await?;
        if labels.live(label_id).is_none() {
            return Err(Error::LabelNotFound(label_id.to_owned()));
        }
        let mut reader = self.db().reader().await?;
        let shown = identity::shown(reader.conn(), handle.key, &jid).await?;
        let held = chat_labels::keys_of_chat(reader.conn(), handle.key, label_id, &shown).await?;
        drop(reader);
        let actor = caller.actor();
        let app = self.clone();
        let label_id = label_id.to_owned();
        self.to_the_end(async move {
            app.write_chat_label(&handle, &label_id, jid, held, labeled, &actor)
                .await
        })
        .await?;
        Ok(shown)
    }

    async fn write_chat_label(
        &self,
        handle: &Handle,
        label_id: &str,
        jid: ChatJid,
        held: Vec<Association>,
        labeled: bool,
        actor: &str,
    ) -> Result<(), Error> {
        let live: Vec<ChatJid> = held
            .iter()
            .filter(|a| a.labeled)
            .map(|a| a.chat_jid.clone())
            .collect();
        if labeled {
            if live.is_empty() {
                // The key it existed under before, else the form asked for
                // (`protocol.md` A6: which one WhatsApp wants is not provable).
                let key = held.into_iter().next().map_or(jid, |a| a.chat_jid);
                handle.set_chat_label(label_id, &key, true, actor).await?;
            }
        } else {
            for key in &live {
                handle.set_chat_label(label_id, key, false, actor).await?;
            }
        }
        Ok(())
    }

    /// An instance whose labels can be read, online or not.
    fn synced(&self, caller: &Caller, name: &str) -> Result<Arc<Handle>, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        if handle.status().synced {
            Ok(handle)
        } else {
            Err(Error::NeverSynced(name.to_owned()))
        }
    }
}
