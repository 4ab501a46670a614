use std::collections::BTreeSet;
use std::sync::Arc;

use super::finding;
use crate::survey::{Survey, survey};
use crate::{
    Content, Finding, Frozen, Keys, Level, Mailer, Origin, Preview, Recipient, RenderError, Site, TokenKind, entities,
    headers, url,
};

/// Gmail shows no more than this of a message and hides the rest, the unsubscribe link among it.
const CLIPPED_BYTES: usize = 102 * 1024;
/// The delivery of samples; nothing is stored under it.
const SAMPLE_DELIVERY: i64 = 0;

pub(super) fn check_samples(draft: &Content, known: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let site = Site {
        public_url: "https://mail.example".into(),
        bounce_domain: "b.example".into(),
        takes_unsubscribe_mails: false,
        list_id_host: "l.example".into(),
    };
    let keys = Arc::new(Keys::new(&[0; 32]));
    // The addresses have been checked; here only the templates matter.
    let content = Content { from_email: "ana@example.org".to_owned(), reply_to: String::new(), ..draft.clone() };
    let origin = Origin { workspace: 0, campaign: 0 };
    let mailer = match Mailer::compile(&Frozen::untracked(content), origin, &site, Arc::clone(&keys)) {
        Ok(mailer) => mailer,
        Err(faults) => return findings.extend(faults),
    };
    let unsubscribe_url = format!("{}/u/{}", site.public_url, keys.seal(TokenKind::Unsubscribe, SAMPLE_DELIVERY));
    let previews: Result<Vec<Preview>, RenderError> =
        samples(known).iter().map(|sample| mailer.preview(sample)).collect();
    match previews {
        Ok(previews) => check_previews(&previews, &unsubscribe_url, findings),
        Err(error) => findings.push(cannot_fill(&error)),
    }
}

/// Two people: one of whom everything is known, and one of whom nothing is. What holds for both holds for most.
fn samples(known: &BTreeSet<String>) -> [Recipient; 2] {
    let full: serde_json::Map<String, serde_json::Value> =
        known.iter().map(|name| (name.clone(), "1".into())).collect();
    let email = "ana@example.org".to_owned();
    let ana = Recipient {
        delivery: SAMPLE_DELIVERY,
        email: email.clone(),
        first_name: "Ana".to_owned(),
        last_name: "Silva".to_owned(),
        attributes: serde_json::Value::Object(full).to_string(),
    };
    [ana, Recipient { delivery: SAMPLE_DELIVERY, email, ..Recipient::default() }]
}

fn cannot_fill(error: &RenderError) -> Finding {
    let field = match error {
        RenderError::Template { part, .. } | RenderError::TooLarge { part, .. } => part,
        RenderError::Attributes(_) | RenderError::Address(_) => "html",
    };
    finding(Level::Block, "template-error", field, "A merge tag cannot be filled in", error.to_string())
}

fn check_previews(previews: &[Preview], unsubscribe_url: &str, findings: &mut Vec<Finding>) {
    let surveys: Vec<Survey> = previews.iter().map(|preview| survey_rendered(&preview.html)).collect();
    let links_to = |preview: &Preview, found: &Survey| hrefs(&preview.html, found).any(|href| href == unsubscribe_url);
    let is_empty = previews.iter().any(|preview| preview.html.trim().is_empty());
    if !is_empty && !previews.iter().zip(&surveys).all(|(preview, found)| links_to(preview, found)) {
        findings.push(finding(
            Level::Block,
            "no-unsubscribe-link",
            "html",
            "There is no unsubscribe link",
            "Every recipient must find one. Write <a href=\"{{ unsubscribe_url }}\">Unsubscribe</a>, outside of any condition, or add the standard footer.",
        ));
    }
    if !is_empty && !previews.iter().all(|preview| preview.text.contains(unsubscribe_url)) {
        findings.push(finding(
            Level::Block,
            "no-unsubscribe-link-in-text",
            "text",
            "The text part has no unsubscribe link",
            "Write {{ unsubscribe_url }} in it, outside of any condition, or make the text part from the HTML again.",
        ));
    }
    if previews.iter().any(|preview| preview.subject.trim().is_empty()) {
        findings.push(finding(
            Level::Warn,
            "subject-may-be-empty",
            "subject",
            "The subject is empty for some people",
            "Give its merge tags a fallback, like {{ first_name | default(\"there\") }}.",
        ));
    }
    if let (Some(preview), Some(found)) = (previews.first(), surveys.first()) {
        check_html(&preview.html, found, findings);
    }
}

/// In a rendered part `{{` is text of a subscriber or of ours, not a tag.
fn survey_rendered(html: &str) -> Survey {
    survey(&html.replace('{', " ")).unwrap_or_default()
}

fn hrefs<'a>(html: &'a str, found: &'a Survey) -> impl Iterator<Item = String> + 'a {
    found
        .hrefs
        .iter()
        .filter_map(|place| html.get(place.clone()))
        .map(|href| entities::decode(href.trim()).into_owned())
}

fn check_html(html: &str, found: &Survey, findings: &mut Vec<Finding>) {
    if html.len() > CLIPPED_BYTES {
        findings.push(finding(
            Level::Warn,
            "clipped",
            "html",
            format!("The HTML is {} KiB: Gmail cuts it off", html.len() / 1024),
            "Beyond 102 KiB it hides the rest behind a link, and with it the unsubscribe link. Leave out what is not needed.",
        ));
    }
    if found.images_without_alt > 0 {
        findings.push(finding(
            Level::Warn,
            "images-without-alt",
            "html",
            format!("{} of {} images have no text", found.images_without_alt, found.images),
            "Many readers see no images at first, and some never. Give each an alt text, or alt=\"\" when it is decoration.",
        ));
    }
    if found.scripts > 0 {
        findings.push(finding(
            Level::Warn,
            "script",
            "html",
            "There is a script in the message",
            "No mail program runs it, and filters take it for an attack.",
        ));
    }
    check_links(html, found, findings);
}

fn check_links(html: &str, found: &Survey, findings: &mut Vec<Finding>) {
    let all: Vec<String> = hrefs(html, found).collect();
    let good = |href: &&String| {
        let other = ["mailto:", "tel:", "sms:", "#"].iter().any(|scheme| href.to_lowercase().starts_with(scheme));
        !other && url::host(href).is_none()
    };
    if let Some(bad) = all.iter().find(good) {
        let shown = headers::one_line(bad, 80);
        let title = if shown.is_empty() {
            "A link leads nowhere".to_owned()
        } else {
            format!("“{shown}” is not a link that works in mail")
        };
        findings.push(finding(
            Level::Warn,
            "bad-link",
            "html",
            title,
            "A link in a message is a whole address, like https://example.org/page.",
        ));
    }
    if let Some(plain) = all.iter().find(|href| url::is_plain_http(href)) {
        findings.push(finding(
            Level::Warn,
            "http-link",
            "html",
            format!("“{}” is not encrypted", headers::one_line(plain, 80)),
            "Browsers warn of http: pages. Write https: where the site has it.",
        ));
    }
}
