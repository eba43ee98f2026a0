//! Who somebody is: contacts and profiles.

use axum::Json;
use axum::extract::State;
use labelwire_app::App;
use labelwire_app::contacts::{Contact, LARGEST_PAGE};
use labelwire_app::profile::ProfileCard;
use serde::Serialize;
use utoipa::ToSchema;

use super::Call;
use super::error::Error;
use super::view::OfInstance;

/// A contact, as far as it is known here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
pub(super) struct ContactView {
    /// By phone number where that is known, else `…@lid`.
    #[schema(example = "5511999999999@s.whatsapp.net")]
    jid: String,
    /// `…@lid`; empty where none is known.
    lid: String,
    /// Whether any name of it is known.
    found: bool,
    first_name: String,
    full_name: String,
    push_name: String,
    business_name: String,
    /// A number WhatsApp shows in part; labelwire knows numbers whole or not at
    /// all, so it is empty.
    redacted_phone: &'static str,
}

impl From<Contact> for ContactView {
    fn from(contact: Contact) -> Self {
        Self {
            jid: contact.jid,
            lid: contact.lid.unwrap_or_default(),
            found: contact.found,
            first_name: contact.first_name.unwrap_or_default(),
            // A group's or channel's only name is its subject.
            full_name: contact.name.or(contact.subject).unwrap_or_default(),
            push_name: contact.push_name.unwrap_or_default(),
            business_name: contact.business_name.unwrap_or_default(),
            redacted_phone: "",
        }
    }
}

/// Contacts, or the one asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contacts)]
#[serde(untagged)]
pub(super) enum ContactsView {
    /// All of them.
    All {
        success: bool,
        #[schema(example = "Contacts retrieved successfully")]
        message: &'static str,
        contacts: Vec<ContactView>,
        /// Contacts in the list.
        total: usize,
    },
    /// The one of `number`.
    One {
        success: bool,
        #[schema(example = "Contact retrieved successfully")]
        message: &'static str,
        contact: ContactView,
    },
}

/// All contacts whose names are known, or with `number` that one, known or not.
/// Nothing is asked of WhatsApp.
#[utoipa::path(
    get,
    path = "/api/chat/contacts/{instance}",
    tag = "chat",
    params(
        OfInstance,
        ("number" = Option<String>, Query, pattern = "^(\\+?([ ().-]*[0-9]){5,20}(@s\\.whatsapp\\.net|@c\\.us)?|[0-9]{1,20}@lid|[0-9]{10,20}@(g\\.us|newsletter))?$",
            description = "Digits, `…@s.whatsapp.net`, `…@lid`, `…@g.us` or `…@newsletter`"),
    ),
    responses((status = 200, description = "The contacts, or the one asked for", body = ContactsView)),
)]
pub(super) async fn contacts(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<ContactsView>, Error> {
    let name = call.instance()?;
    if let Some(number) = call.query.text("number") {
        let contact = app.contact(&call.caller, name, number).await?;
        return Ok(Json(ContactsView::One {
            success: true,
            message: "Contact retrieved successfully",
            contact: contact.into(),
        }));
    }
    let mut contacts: Vec<ContactView> = Vec::new();
    loop {
        let after = contacts.last().map(|contact| contact.jid.as_str());
        let page = app
            .contacts(&call.caller, name, after, LARGEST_PAGE)
            .await?;
        let last = page.len() < LARGEST_PAGE;
        contacts.extend(page.into_iter().map(ContactView::from));
        if last {
            break;
        }
    }
    Ok(Json(ContactsView::All {
        success: true,
        message: "Contacts retrieved successfully",
        total: contacts.len(),
        contacts,
    }))
}

/// Somebody's profile.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountView {
    /// Where WhatsApp serves the picture, for a while.
    #[schema(required)]
    profile_picture: Option<String>,
    profile_name: String,
    /// The text below the name; empty where WhatsApp does not tell it.
    profile_status: String,
    /// Digits; empty where only the `…@lid` is known.
    #[schema(example = "5511999999999")]
    phone_number: String,
    jid: String,
    /// Empty where none is known.
    lid: String,
    is_business: bool,
}

impl From<ProfileCard> for AccountView {
    fn from(card: ProfileCard) -> Self {
        Self {
            profile_picture: card.picture_url,
            profile_name: card.name.unwrap_or_default(),
            profile_status: card.status.unwrap_or_default(),
            phone_number: card.phone.unwrap_or_default(),
            jid: card.jid,
            lid: card.lid.unwrap_or_default(),
            is_business: card.is_business,
        }
    }
}

/// The answer of `getAccount`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountAnswer)]
pub(super) struct AccountAnswer {
    success: bool,
    #[schema(example = "Profile retrieved successfully")]
    message: &'static str,
    profile: AccountView,
}

/// The instance's own profile, or with `number` somebody else's. Picture and
/// status are asked of WhatsApp where it can be reached.
#[utoipa::path(
    get,
    path = "/api/profile/getAccount/{instance}",
    tag = "profile",
    params(
        OfInstance,
        ("number" = Option<String>, Query, pattern = "^(\\+?([ ().-]*[0-9]){5,20}(@s\\.whatsapp\\.net|@c\\.us)?|[0-9]{1,20}@lid)?$",
            description = "Digits, `…@s.whatsapp.net` or `…@lid`"),
    ),
    responses(
        (status = 200, description = "The profile", body = AccountAnswer),
        (status = 503, description = "Own profile of an instance that was never paired", body = super::error::ErrorView),
    ),
)]
pub(super) async fn account(
    State(app): State<App>,
    Call(call): Call,
) -> Result<Json<AccountAnswer>, Error> {
    let name = call.instance()?;
    let number = call.query.text("number");
    let card = app.profile(&call.caller, name, number).await?;
    Ok(Json(AccountAnswer {
        success: true,
        message: "Profile retrieved successfully",
        profile: card.into(),
    }))
}
