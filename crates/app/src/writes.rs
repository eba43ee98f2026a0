//! Use cases that write labels. Each answers after WhatsApp has accepted the
//! change and the mirror holds it, durably.

use labelwire_domain::chat::ChatJid;
use labelwire_domain::ids::CommandId;
use labelwire_domain::intent::{Intent, label_place};
use labelwire_domain::label::Label;
use labelwire_domain::token::Scope;
use labelwire_store::commands::{self, Command};
use labelwire_store::label_orders;
use tokio::sync::oneshot;

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;
use crate::identity;
use crate::instance::{Finished, Handle, Job};
use crate::messages::check_message_id;

/// A label to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLabel {
    /// Its name; blanks at its ends are cut off.
    pub name: String,
    /// Palette index, 0 to 19; `None`: the first one no label has.
    pub color: Option<i32>,
}

/// What is to be changed of a label; all else stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelEdit {
    /// The new name.
    pub name: Option<String>,
    /// The new palette index, 0 to 19.
    pub color: Option<i32>,
}

/// Labels for many chats at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelChats {
    /// The chats, in any of their forms.
    pub chats: Vec<String>,
    /// Label ids to put on.
    pub add: Vec<String>,
    /// Label ids to take off.
    pub remove: Vec<String>,
}

/// What a write over many chats did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The command, where anything had to be written.
    pub command: Option<String>,
    /// Different chats among those asked for.
    pub chats: u64,
    /// Records written.
    pub mutations: u64,
    /// Patches they travelled in.
    pub patches: u64,
}

impl App {
    /// Makes a label. Its id is above every id the account has ever seen.
    ///
    /// # Errors
    /// [`Error::Rejected`] for a name, colour or number of labels outside of the
    /// rules; [`Error::NotConnected`], [`Error::NeverSynced`],
    /// [`Error::WriteFailed`], [`Error::Pending`].
    pub async fn create_label(
        &self,
        caller: &Caller,
        name: &str,
        new: NewLabel,
    ) -> Result<Label, Error> {
        let intent = Intent::CreateLabel {
            name: new.name,
            color: new.color,
            id: None,
        };
        let finished = self.write(caller, name, intent).await?;
        finished.label.ok_or(Error::Stopping)
    }

    /// Renames or recolours a label; what is not named stays as the phone has it.
    ///
    /// # Errors
    /// [`Error::LabelNotFound`], and those of [`App::create_label`].
    pub async fn edit_label(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
        edit: LabelEdit,
    ) -> Result<Label, Error> {
        let intent = Intent::EditLabel {
            id: id.to_owned(),
            name: edit.name,
            color: edit.color,
        };
        let finished = self.write(caller, name, intent).await?;
        finished
            .label
            .ok_or_else(|| Error::LabelNotFound(id.to_owned()))
    }

    /// Deletes a label: no chat shows it from then on, and its id is not given again.
    ///
    /// # Errors
    /// [`Error::LabelNotFound`], also where it is deleted already, unless the same
    /// key asked for that; those of [`App::create_label`].
    pub async fn delete_label(
        &self,
        caller: &Caller,
        name: &str,
        id: &str,
    ) -> Result<Label, Error> {
        let handle = self.writable(caller, name)?;
        let intent = Intent::DeleteLabel { id: id.to_owned() };
        let labels = self.lists().labels(&handle).await?;
        if labels.live(id).is_none() && !self.was_asked(&handle, caller, &intent).await? {
            return Err(Error::LabelNotFound(id.to_owned()));
        }
        let finished = self.submit(&handle, caller, intent).await?;
        finished
            .label
            .ok_or_else(|| Error::LabelNotFound(id.to_owned()))
    }

    /// Puts labels into this order; those not named follow as they stand. Answers
    /// with all live labels in the new order.
    ///
    /// # Errors
    /// [`Error::LabelNotFound`], and those of [`App::create_label`].
    pub async fn reorder_labels(
        &self,
        caller: &Caller,
        name: &str,
        ids: Vec<String>,
    ) -> Result<Vec<Label>, Error> {
        let handle = self.writable(caller, name)?;
        self.submit(&handle, caller, Intent::Reorder { ids })
            .await?;
        self.ordered(&handle).await
    }

    /// The live labels in the account's own order.
    ///
    /// # Errors
    /// [`Error::NeverSynced`]; the database's.
    pub async fn ordered_labels(&self, caller: &Caller, name: &str) -> Result<Vec<Label>, Error> {
        let handle = self.synced(caller, name)?;
        self.ordered(&handle).await
    }

    async fn ordered(&self, handle: &Handle) -> Result<Vec<Label>, Error> {
        let kept = self.lists().labels(handle).await?;
        let mut labels: Vec<Label> = kept.all.iter().filter(|l| !l.deleted).cloned().collect();
        let mut reader = self.db().reader().await?;
        let order = label_orders::find(reader.conn(), handle.key).await?;
        let order = order.map(|o| o.ids).unwrap_or_default();
        labels.sort_by_key(|l| label_place(l, &order));
        Ok(labels)
    }

    /// Puts a label on a chat or takes it off, under every key the chat has it
    /// under; the chat's shown name.
    ///
    /// # Errors
    /// [`Error::InvalidChat`], [`Error::LabelNotFound`], and those of
    /// [`App::create_label`].
    pub async fn set_chat_label(
        &self,
        caller: &Caller,
        name: &str,
        label_id: &str,
        chat: &str,
        labeled: bool,
    ) -> Result<String, Error> {
        let handle = self.writable(caller, name)?;
        let chats = self.targets(&handle, &[chat]).await?;
        let shown = chats.first().map(|t| t.chat.clone()).unwrap_or_default();
        let label = vec![label_id.to_owned()];
        let (add, remove) = if labeled {
            (label, Vec::new())
        } else {
            (Vec::new(), label)
        };
        let intent = Intent::LabelChats { chats, add, remove };
        self.submit(&handle, caller, intent).await?;
        Ok(shown)
    }

    /// Makes a chat carry exactly these labels, in one patch; its shown name and
    /// its labels by id.
    ///
    /// # Errors
    /// Those of [`App::set_chat_label`].
    pub async fn set_labels_of_chat(
        &self,
        caller: &Caller,
        name: &str,
        chat: &str,
        labels: Vec<String>,
    ) -> Result<(String, Vec<Label>), Error> {
        let handle = self.writable(caller, name)?;
        if let Some(target) = self.targets(&handle, &[chat]).await?.pop() {
            let chat = target;
            self.submit(&handle, caller, Intent::SetChat { chat, labels })
                .await?;
        }
        self.labels_on(&handle, chat).await
    }

    /// Puts labels on many chats and takes others off, many records a patch.
    ///
    /// # Errors
    /// Those of [`App::set_chat_label`]; nothing is written if one of the chats or
    /// labels is wrong.
    pub async fn label_chats(
        &self,
        caller: &Caller,
        name: &str,
        ask: LabelChats,
    ) -> Result<Done, Error> {
        let handle = self.writable(caller, name)?;
        let asked: Vec<&str> = ask.chats.iter().map(String::as_str).collect();
        let mut chats = self.targets(&handle, &asked).await?;
        let mut seen = std::collections::HashSet::new();
        chats.retain(|t| seen.insert(t.chat.clone()));
        let count = chats.len() as u64;
        let intent = Intent::LabelChats {
            chats,
            add: ask.add,
            remove: ask.remove,
        };
        let finished = self.submit(&handle, caller, intent).await?;
        Ok(Done {
            command: finished.command.map(|id| id.to_string()),
            chats: count,
            mutations: finished.mutations,
            patches: finished.patches,
        })
    }

    /// Puts a label on a message or takes it off; the chat's shown name.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`], and those of [`App::set_chat_label`].
    pub async fn set_message_label(
        &self,
        caller: &Caller,
        name: &str,
        label_id: &str,
        chat: &str,
        message_id: &str,
        labeled: bool,
    ) -> Result<String, Error> {
        let handle = self.writable(caller, name)?;
        check_message_id(message_id)?;
        let Some(target) = self.targets(&handle, &[chat]).await?.pop() else {
            return Err(Error::Stopping);
        };
        let shown = target.chat.clone();
        let intent = Intent::LabelMessage {
            chat: target,
            message_id: message_id.to_owned(),
            label_id: label_id.to_owned(),
            labeled,
        };
        self.submit(&handle, caller, intent).await?;
        Ok(shown)
    }

    /// What has become of a write.
    ///
    /// # Errors
    /// [`Error::CommandNotFound`]; the database's.
    pub async fn command(&self, caller: &Caller, name: &str, id: &str) -> Result<Command, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        let mut reader = self.db().reader().await?;
        commands::find(reader.conn(), handle.key, id)
            .await?
            .ok_or_else(|| Error::CommandNotFound(id.chars().take(60).collect()))
    }

    async fn write(&self, caller: &Caller, name: &str, intent: Intent) -> Result<Finished, Error> {
        let handle = self.writable(caller, name)?;
        self.submit(&handle, caller, intent).await
    }

    /// An instance that can be written to just now: what is offline is refused
    /// before anything else is looked at (`ryzeapi.md` decision 7).
    fn writable(&self, caller: &Caller, name: &str) -> Result<std::sync::Arc<Handle>, Error> {
        let handle = self.instance(caller, Scope::Label, name)?;
        handle.require_connected()?;
        if handle.status().synced {
            Ok(handle)
        } else {
            Err(Error::NeverSynced(name.to_owned()))
        }
    }

    async fn targets(
        &self,
        handle: &Handle,
        chats: &[&str],
    ) -> Result<Vec<labelwire_domain::intent::Target>, Error> {
        let jids: Vec<ChatJid> = chats
            .iter()
            .map(|chat| ChatJid::parse_labelled(chat))
            .collect::<Result<_, _>>()?;
        let migrated = handle.is_lid_migrated().await;
        let mut reader = self.db().reader().await?;
        Ok(identity::targets(&mut reader, handle.key, &jids, migrated).await?)
    }

    /// Whether the caller asked for this with the same key before: it was never
    /// told the end then, or its answer would have been kept.
    async fn was_asked(
        &self,
        handle: &Handle,
        caller: &Caller,
        intent: &Intent,
    ) -> Result<bool, Error> {
        let Some(key) = caller.idempotency_key.as_deref() else {
            return Ok(false);
        };
        let mut reader = self.db().reader().await?;
        let row = commands::find_by_key(reader.conn(), handle.key, &caller.actor(), key).await?;
        let before = row.and_then(|row| serde_json::from_str::<Intent>(&row.body).ok());
        Ok(before.is_some_and(|before| before.asks_same(intent)))
    }

    async fn submit(
        &self,
        handle: &Handle,
        caller: &Caller,
        intent: Intent,
    ) -> Result<Finished, Error> {
        let mut random = [0; 10];
        self.entropy().fill(&mut random);
        let (done, wait) = oneshot::channel();
        let job = Job {
            id: CommandId::new(self.clock().now(), random),
            intent,
            actor: caller.actor(),
            request_id: caller.request_id.as_deref().map(str::to_owned),
            idempotency_key: caller.idempotency_key.as_deref().map(str::to_owned),
            done,
        };
        handle.submit(job).await?;
        wait.await.map_err(|_| Error::Stopping)?
    }
}
