//! Use cases on what callers set on an instance: groups of fields, kept as they
//! were given. What a group's fields are is the dialect's affair.

use std::collections::{BTreeMap, HashMap};

use labelwire_domain::ids::InstanceKey;
use labelwire_domain::token::Scope;
use labelwire_store::settings::{self, Setting};
use labelwire_store::{Error as StoreError, Tx};
use serde_json::{Map, Value};

use crate::access::Caller;
use crate::app::App;
use crate::error::Error;

/// Fields of one group.
pub type Fields = Map<String, Value>;

/// Everything set on an instance, by group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(BTreeMap<String, Fields>);

impl Settings {
    /// The fields of a group; none where nothing of it was ever set.
    #[must_use]
    pub fn group(&self, group: &str) -> Fields {
        self.0.get(group).cloned().unwrap_or_default()
    }

    /// Adds fields to a group; those of the same name are replaced.
    pub fn put(&mut self, group: &str, fields: Fields) {
        self.0.entry(group.to_owned()).or_default().extend(fields);
    }

    fn read(rows: impl IntoIterator<Item = Setting>) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt("instance_settings");
        let mut all = Self::default();
        for row in rows {
            let (group, field) = row.name.split_once('.').ok_or_else(corrupt)?;
            let value = serde_json::from_str(&row.value).map_err(|_| corrupt())?;
            let group = all.0.entry(group.to_owned()).or_default();
            group.insert(field.to_owned(), value);
        }
        Ok(all)
    }

    /// Writes all of it; fields not named stay as they were. Ordered by name, so
    /// that two transactions never wait for each other's rows.
    pub(crate) async fn write(&self, tx: &mut Tx, instance: InstanceKey) -> Result<(), StoreError> {
        for (group, fields) in &self.0 {
            for (field, value) in fields {
                let name = format!("{group}.{field}");
                settings::set(tx, instance, &name, &value.to_string()).await?;
            }
        }
        Ok(())
    }
}

impl App {
    /// What is set of one group on an instance.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `read`; the database's.
    pub async fn settings(
        &self,
        caller: &Caller,
        name: &str,
        group: &str,
    ) -> Result<Fields, Error> {
        let handle = self.instance(caller, Scope::Read, name)?;
        Ok(self.settings_of(handle.key).await?.group(group))
    }

    /// Everything set on the instances a caller may see; those on which nothing
    /// was set are left out.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `read`; the database's.
    pub async fn all_settings(
        &self,
        caller: &Caller,
    ) -> Result<HashMap<InstanceKey, Settings>, Error> {
        caller.require(Scope::Read)?;
        let mut reader = self.db().reader().await?;
        let rows = match caller.instance {
            Some(own) => settings::all(reader.conn(), own).await?,
            None => settings::by_account(reader.conn(), &caller.account).await?,
        };
        let mut by_instance: HashMap<i64, Vec<Setting>> = HashMap::new();
        for row in rows {
            by_instance.entry(row.instance).or_default().push(row);
        }
        by_instance
            .into_iter()
            .map(|(key, rows)| Ok((InstanceKey(key), Settings::read(rows)?)))
            .collect()
    }

    /// Sets fields of one group; the others stay. Answers with the whole group.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`] without `admin`; the database's.
    pub async fn update_settings(
        &self,
        caller: &Caller,
        name: &str,
        group: &str,
        changes: Fields,
    ) -> Result<Fields, Error> {
        let handle = self.instance(caller, Scope::Admin, name)?;
        let app = self.clone();
        let group = group.to_owned();
        self.to_the_end(async move {
            let mut news = Settings::default();
            news.put(&group, changes);
            let mut tx = app.db().begin().await?;
            news.write(&mut tx, handle.key).await?;
            tx.commit().await?;
            Ok(app.settings_of(handle.key).await?.group(&group))
        })
        .await
    }

    async fn settings_of(&self, key: InstanceKey) -> Result<Settings, Error> {
        let mut reader = self.db().reader().await?;
        Ok(Settings::read(settings::all(reader.conn(), key).await?)?)
    }
}
