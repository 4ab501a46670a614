//! What can be put into a subject or a content: merge tags with their fallbacks.

use tidings_store::Workspace;

use crate::problem::WebResult;

/// One entry of the picker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeField {
    pub label: String,
    /// What is put in: `{{ first_name | default("there") }}`.
    pub tag: String,
    /// What it becomes, in a few words.
    pub note: &'static str,
}

fn field(label: &str, tag: &str, note: &'static str) -> MergeField {
    MergeField { label: label.to_owned(), tag: tag.to_owned(), note }
}

/// The built-in fields, then the attributes that subscribers were imported with.
///
/// # Errors
/// The database's own.
pub async fn all(data: &Workspace) -> WebResult<Vec<MergeField>> {
    let mut fields = vec![
        field("First name", "{{ first_name | default(\"there\") }}", "“there” where it is empty"),
        field("Last name", "{{ last_name | default(\"\") }}", "nothing where it is empty"),
        field("E-mail address", "{{ email }}", "always known"),
    ];
    for name in data.attribute_names().await? {
        let tag = format!("{{{{ {name} | default(\"…\") }}}}");
        fields.push(MergeField { label: label(&name), tag, note: "from your import; replace … by a fallback" });
    }
    Ok(fields)
}

/// The fields that only a content needs.
pub fn of_content() -> Vec<MergeField> {
    vec![
        field("Unsubscribe address", "{{ unsubscribe_url }}", "goes into a link; needed in every campaign"),
        field("View in browser", "{{ view_url }}", "goes into a link"),
        field("Postal address", "{{ postal_address }}", "of your organisation; needed in every campaign"),
        field("List name", "{{ list_name }}", "the list that the person is on"),
    ]
}

/// `plan_type` reads `Plan type`.
fn label(name: &str) -> String {
    super::wording::capitalised(&name.replace('_', " "))
}
