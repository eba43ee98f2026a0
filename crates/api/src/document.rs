//! What OpenAPI documents have in common: their head, their tokens, and the
//! refusals that any call may get.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, RefOr,
    ResponseBuilder, ServerBuilder,
};

/// Gives a document its head and the ways to send a token, any of which will do.
pub(crate) fn head(
    document: &mut OpenApi,
    title: &str,
    description: &str,
    base_url: Option<&str>,
    tokens: Vec<(&str, SecurityScheme)>,
) {
    document.info = InfoBuilder::new()
        .title(title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .license(Some(
            LicenseBuilder::new().name("MIT OR Apache-2.0").build(),
        ))
        .build();
    document.servers = base_url.map(|url| vec![ServerBuilder::new().url(url).build()]);
    let any = tokens
        .iter()
        .map(|(name, _)| SecurityRequirement::new::<_, [&str; 0], &str>(*name, []))
        .collect();
    document.security = Some(any);
    let components = document.components.get_or_insert_default();
    for (name, scheme) in tokens {
        components.add_security_scheme(name, scheme);
    }
}

/// A refusal that calls may get: its status, which calls, and when.
pub(crate) type Refused = (u16, Where, &'static str);

/// Which calls a refusal may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// Every call that needs a token.
    Always,
    /// Those that take a body.
    Bodies,
}

/// Adds refusals with a JSON body of this schema to all calls that need a token,
/// where a call does not describe that status itself.
pub(crate) fn refusals(document: &mut OpenApi, schema: &str, refused: &[Refused]) {
    // A call that states its own security needs no token.
    let calls = document.paths.paths.values_mut().flat_map(operations);
    for operation in calls.filter(|o| o.security.is_none()) {
        for (status, at, when) in refused {
            if *at == Where::Bodies && operation.request_body.is_none() {
                continue;
            }
            let schema = Ref::from_schema_name(schema);
            let response = ResponseBuilder::new()
                .description(*when)
                .content(
                    "application/json",
                    ContentBuilder::new().schema(Some(schema)).build(),
                )
                .build();
            operation
                .responses
                .responses
                .entry(status.to_string())
                .or_insert_with(|| response.into());
        }
    }
}

/// Headers a webhook sends along, by name; `types` says whether they may be null.
pub(crate) fn headers(types: SchemaType) -> ObjectBuilder {
    let text = |pattern: &str| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(pattern))
    };
    ObjectBuilder::new()
        .schema_type(types)
        .property_names(Some(text("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")))
        .additional_properties(Some(text("^[ -~]*$").max_length(Some(2_000))))
        .max_properties(Some(30))
}

/// An object or null, for [`headers`].
pub(crate) fn object_or_null() -> SchemaType {
    SchemaType::from_iter([Type::Object, Type::Null])
}

/// A parameter that may be left out is described as one that may be null, which
/// a query string cannot say: takes the null away.
pub(crate) fn no_null_parameters(document: &mut OpenApi) {
    let calls = document.paths.paths.values_mut().flat_map(operations);
    for parameter in calls.filter_map(|o| o.parameters.as_mut()).flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema
            && let SchemaType::Array(types) = &mut object.schema_type
        {
            types.retain(|t| *t != Type::Null);
            if let [only] = types.as_slice() {
                object.schema_type = SchemaType::Type(only.clone());
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}
