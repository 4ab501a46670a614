use std::collections::BTreeSet;
use std::sync::Arc;

use tidings_domain::EmailAddress;

use crate::mailer::{engine, not_an_address};
use crate::survey::{Survey, survey};
use crate::template::{Engine, Kind, Part, Piece, STANDARD_FIELDS, SYSTEM_FIELDS, pieces, tokens};
use crate::{
    Content, Finding, Frozen, Keys, Level, Mailer, Origin, Preview, Recipient, RenderError, Site, entities, headers,
    url,
};

/// Gmail shows no more than this of a message and hides the rest, the unsubscribe link among it.
const CLIPPED_BYTES: usize = 102 * 1024;
/// Inboxes show 40 to 70 characters of a subject.
const LONG_SUBJECT_CHARS: usize = 90;
/// Words in capitals shout only when there are some.
const MIN_SHOUTED_LETTERS: usize = 8;
/// The delivery of samples; nothing is stored under it.
const SAMPLE_DELIVERY: i64 = 0;

/// Providers that refuse mail from their own domains when others send it (DMARC `p=reject` or `quarantine`).
const FREE_MAIL: [&str; 18] = [
    "aol.com",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mac.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "outlook.com",
    "proton.me",
    "web.de",
    "yahoo.com",
    "yandex.ru",
];

/// Everything that stands in the way of a launch, and what could be better; the most serious first.
/// `known_fields`: the names of the attributes that the audience has.
#[must_use]
pub fn preflight(draft: &Content, known_fields: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_sender(draft, &mut findings);
    check_subject(draft, &mut findings);
    check_bodies_are_there(draft, &mut findings);
    check_imported_tags(draft, &mut findings);
    let draft = with_text(draft);
    match engine(&draft) {
        Ok(engine) => {
            check_fields(&draft, &engine, known_fields, &mut findings);
            check_samples(&draft, known_fields, &mut findings);
        }
        Err(faults) => findings.extend(faults),
    }
    findings.sort_by_key(|finding| finding.level);
    findings
}

fn finding(
    level: Level,
    code: &'static str,
    field: &'static str,
    title: impl Into<String>,
    detail: impl Into<String>,
) -> Finding {
    Finding { level, code, title: title.into(), detail: detail.into(), field }
}

/// As `freeze` would: an empty text part is made from the HTML.
fn with_text(draft: &Content) -> Content {
    let mut content = draft.clone();
    if content.text.trim().is_empty() {
        content.text = crate::text_from_html(&content.html);
    }
    content
}

fn check_sender(draft: &Content, findings: &mut Vec<Finding>) {
    if draft.from_email.trim().is_empty() {
        findings.push(finding(
            Level::Block,
            "no-from",
            "from_email",
            "There is no sender address",
            "Write the address the message comes from.",
        ));
    } else {
        match EmailAddress::parse(&draft.from_email) {
            Ok(address) => findings.extend(free_mail(&address)),
            Err(error) => findings.push(not_an_address(&draft.from_email, "from_email", error)),
        }
    }
    if !draft.reply_to.trim().is_empty() {
        findings.extend(
            EmailAddress::parse(&draft.reply_to).err().map(|error| not_an_address(&draft.reply_to, "reply_to", error)),
        );
    }
    if draft.from_name.trim().is_empty() {
        findings.push(finding(
            Level::Info,
            "no-from-name",
            "from_name",
            "There is no sender name",
            "Inboxes show the bare address instead of a name that readers know.",
        ));
    }
    if draft.postal_address.trim().is_empty() {
        findings.push(finding(
            Level::Block,
            "no-postal-address",
            "postal_address",
            "Your postal address is missing",
            "Commercial mail must name it (CAN-SPAM and similar laws). Write it once under Settings, Organisation; {{ postal_address }} shows it.",
        ));
    }
}

fn free_mail(address: &EmailAddress) -> Option<Finding> {
    let domain = address.domain();
    let is_free = FREE_MAIL.contains(&domain) || domain.starts_with("yahoo.") || domain.starts_with("hotmail.");
    is_free.then(|| {
        finding(
            Level::Warn,
            "free-mail-from",
            "from_email",
            format!("Mail from {domain} that {domain} did not send is refused"),
            "Its owner publishes a DMARC policy that tells others to reject such mail. Send from a domain of your own.",
        )
    })
}

fn check_subject(draft: &Content, findings: &mut Vec<Finding>) {
    let subject = draft.subject.trim();
    if subject.is_empty() {
        findings.push(finding(Level::Block, "no-subject", "subject", "The subject is empty", "Write a subject."));
        return;
    }
    let words: String = text_of(subject);
    let letters = words.chars().filter(|c| c.is_alphabetic()).count();
    if letters >= MIN_SHOUTED_LETTERS && !words.chars().any(char::is_lowercase) && words.chars().any(char::is_uppercase)
    {
        findings.push(finding(
            Level::Warn,
            "shouting-subject",
            "subject",
            "The subject is all in capitals",
            "Filters and readers take that for spam.",
        ));
    }
    let lower = subject.to_lowercase();
    if ["re:", "fw:", "fwd:", "aw:", "sv:"].iter().any(|prefix| lower.starts_with(prefix)) {
        findings.push(finding(
            Level::Warn,
            "fake-reply",
            "subject",
            "The subject pretends to be a reply",
            "Providers forbid “Re:” and “Fwd:” on mail that answers nothing.",
        ));
    }
    if subject.chars().count() > LONG_SUBJECT_CHARS {
        findings.push(finding(
            Level::Info,
            "long-subject",
            "subject",
            "The subject is long",
            "Inboxes show about 60 characters, phones about 40.",
        ));
    }
}

/// A template without its tags.
fn text_of(source: &str) -> String {
    let Ok(found) = pieces(source) else { return source.to_owned() };
    found
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Tag { .. } => None,
        })
        .collect()
}

fn check_bodies_are_there(draft: &Content, findings: &mut Vec<Finding>) {
    if draft.html.trim().is_empty() {
        findings.push(finding(Level::Block, "no-html", "html", "The message is empty", "Write its content."));
    } else if draft.text.trim().is_empty() {
        findings.push(finding(
            Level::Info,
            "text-generated",
            "text",
            "The text part is made from the HTML",
            "Some readers and most filters look at it. You can edit it.",
        ));
    }
}

/// Tags in the spelling of other programs would be sent as they stand.
fn check_imported_tags(draft: &Content, findings: &mut Vec<Finding>) {
    for (field, source) in [("subject", &draft.subject), ("html", &draft.html), ("text", &draft.text)] {
        let foreign = source.split_once("*|").and_then(|(_, rest)| rest.split_once("|*")).map(|(name, _)| name);
        if let Some(name) = foreign.filter(|name| !name.is_empty() && !name.contains(char::is_whitespace)) {
            let name = headers::one_line(name, 40);
            findings.push(finding(
                Level::Warn,
                "foreign-tag",
                field,
                format!("“*|{name}|*” would be sent as it stands"),
                "It is a merge tag of another program. Here it is written {{ first_name }}, with the field's name.",
            ));
        }
    }
}

fn check_fields(draft: &Content, engine: &Engine, known: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let is_known = |name: &str| {
        let name = name.strip_prefix("attributes.").unwrap_or(name);
        known.contains(name) || STANDARD_FIELDS.contains(&name) || SYSTEM_FIELDS.contains(&name)
    };
    for (part, source) in [(Part::Subject, &draft.subject), (Part::Html, &draft.html), (Part::Text, &draft.text)] {
        for name in engine.names(part).into_iter().filter(|name| !is_known(name)) {
            findings.push(unknown_field(part, &name, line_of(source, &name), known));
        }
    }
    if let Err(faults) = preview_text_engine(draft).map(|engine| {
        let unknown: Vec<String> = engine.names(Part::Subject).into_iter().filter(|name| !is_known(name)).collect();
        findings.extend(
            unknown
                .iter()
                .map(|name| Finding { field: "preview_text", ..unknown_field(Part::Subject, name, 1, known) }),
        );
    }) {
        findings.extend(faults);
    }
}

fn preview_text_engine(draft: &Content) -> Result<Engine, Vec<Finding>> {
    let only = Content { subject: draft.preview_text.clone(), ..Content::default() };
    engine(&only).map_err(|faults| faults.into_iter().map(|fault| Finding { field: "preview_text", ..fault }).collect())
}

fn unknown_field(part: Part, name: &str, line: usize, known: &BTreeSet<String>) -> Finding {
    let hint = match nearest(name, known) {
        Some(near) => format!("Did you mean {{{{ {near} }}}}?"),
        None if known.is_empty() => "Your subscribers have only email, first_name and last_name.".to_owned(),
        None => format!(
            "There are: email, first_name, last_name, {}.",
            known.iter().take(20).cloned().collect::<Vec<_>>().join(", ")
        ),
    };
    finding(
        Level::Block,
        "unknown-field",
        part.as_str(),
        format!("No subscriber has a field “{name}”"),
        format!("Line {line}: {{{{ {name} }}}} would always be empty. {hint}"),
    )
}

/// A known name that differs only in case, underscores and the like, or of which this is a part.
fn nearest<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let wanted = plain(name.strip_prefix("attributes.").unwrap_or(name));
    let standard = STANDARD_FIELDS.iter().chain(&SYSTEM_FIELDS).copied();
    let all: Vec<&str> = standard.chain(known.iter().map(String::as_str)).collect();
    let same = all.iter().find(|candidate| plain(candidate) == wanted);
    let alike = || all.iter().find(|candidate| wanted.len() >= 3 && plain(candidate).contains(&wanted));
    match wanted.as_str() {
        "name" | "firstname" | "fname" | "givenname" => Some("first_name"),
        "lname" | "surname" | "familyname" => Some("last_name"),
        "unsubscribe" | "unsubscribelink" | "unsub" => Some("unsubscribe_url"),
        _ => same.or_else(alike).copied(),
    }
}

fn line_of(source: &str, name: &str) -> usize {
    let word = name.rsplit('.').next().unwrap_or(name);
    let found = pieces(source).unwrap_or_default();
    let line = found.iter().find_map(|piece| match piece {
        Piece::Tag { source, line, .. } => {
            let inner = &source[2..source.len() - 2];
            tokens(inner)
                .iter()
                .any(|token| token.kind == Kind::Name && &inner[token.at.clone()] == word)
                .then_some(*line)
        }
        Piece::Text(_) => None,
    });
    line.unwrap_or(1)
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

fn check_samples(draft: &Content, known: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let site = Site {
        public_url: "https://mail.example".into(),
        bounce_domain: "b.example".into(),
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
    let unsubscribe_url =
        format!("{}/u/{}", site.public_url, keys.seal(crate::TokenKind::Unsubscribe, SAMPLE_DELIVERY));
    let previews: Result<Vec<Preview>, RenderError> =
        samples(known).iter().map(|sample| mailer.preview(sample)).collect();
    match previews {
        Ok(previews) => check_previews(&previews, &unsubscribe_url, findings),
        Err(error) => findings.push(cannot_fill(&error)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Content {
        Content {
            subject: "Spring, {{ first_name | default(\"friend\") }}".into(),
            from_name: "Ana's Shop".into(),
            from_email: "ana@shop.example".into(),
            html: "<p>Hi {{ city }}</p><a href=\"{{ unsubscribe_url }}\">Unsubscribe</a> {{ postal_address }}".into(),
            text: "Hi\n{{ unsubscribe_url }}".into(),
            postal_address: "1 Street\nOslo".into(),
            list_name: "News".into(),
            ..Content::default()
        }
    }

    fn codes(draft: &Content) -> Vec<(Level, &'static str, &'static str)> {
        let known = BTreeSet::from(["city".to_owned(), "plan_type".to_owned()]);
        preflight(draft, &known).into_iter().map(|f| (f.level, f.code, f.field)).collect()
    }

    fn check(change: impl FnOnce(&mut Content), expected: &[(Level, &'static str, &'static str)]) {
        let mut draft = good();
        change(&mut draft);
        assert_eq!(codes(&draft), expected);
    }

    #[test]
    fn a_good_draft_has_no_findings() {
        check(|_| (), &[]);
    }

    #[test]
    fn what_is_missing_blocks() {
        use Level::Block;
        check(
            |d| d.subject = " ".into(),
            &[(Block, "no-subject", "subject"), (Level::Warn, "subject-may-be-empty", "subject")],
        );
        check(|d| d.from_email.clear(), &[(Block, "no-from", "from_email")]);
        check(|d| d.from_email = "x".into(), &[(Block, "bad-address", "from_email")]);
        check(|d| d.reply_to = "a@b".into(), &[(Block, "bad-address", "reply_to")]);
        check(|d| d.html.clear(), &[(Block, "no-html", "html")]);
        check(|d| d.postal_address = "\n".into(), &[(Block, "no-postal-address", "postal_address")]);
        check(|d| d.from_name.clear(), &[(Level::Info, "no-from-name", "from_name")]);
        check(|d| d.text.clear(), &[(Level::Info, "text-generated", "text")]);
    }

    #[test]
    fn an_unsubscribe_link_must_be_there_for_everyone() {
        let html = [(Level::Block, "no-unsubscribe-link", "html")];
        check(|d| d.html = "<p>Hi</p>".into(), &html);
        check(|d| d.html = "<p>{{ unsubscribe_url }}</p>".into(), &html);
        check(|d| d.html = "<!-- <a href=\"{{ unsubscribe_url }}\">x</a> -->hi".into(), &html);
        check(|d| d.html = "{% if city %}<a href=\"{{ unsubscribe_url }}\">x</a>{% endif %}hi".into(), &html);
        check(|d| d.html = "{% if not city %}<a href=\"{{ unsubscribe_url }}\">x</a>{% endif %}hi".into(), &html);
        check(|d| d.text = "Hi".into(), &[(Level::Block, "no-unsubscribe-link-in-text", "text")]);
    }

    #[test]
    fn unknown_fields_block_with_a_line_and_a_guess() {
        let mut draft = good();
        draft.html += "\n\n{{ PlanType }} {{ nothing }} {{ attributes.plan_type }} {{ attributes.plam }}";
        let known = BTreeSet::from(["city".to_owned(), "plan_type".to_owned()]);
        let found = preflight(&draft, &known);
        let details: Vec<&str> = found.iter().map(|f| f.detail.as_str()).collect();
        assert_eq!(
            details,
            [
                "Line 3: {{ PlanType }} would always be empty. Did you mean {{ plan_type }}?",
                "Line 3: {{ attributes.plam }} would always be empty. There are: email, first_name, last_name, city, plan_type.",
                "Line 3: {{ nothing }} would always be empty. There are: email, first_name, last_name, city, plan_type.",
            ]
        );
        assert!(found.iter().all(|f| f.level == Level::Block && f.code == "unknown-field"));
        check(|d| d.preview_text = "{{ fname }}".into(), &[(Level::Block, "unknown-field", "preview_text")]);
        check(|d| d.preview_text = "{{ city".into(), &[(Level::Block, "template-error", "preview_text")]);
    }

    #[test]
    fn faults_of_the_template_block() {
        let fault = [(Level::Block, "template-error", "html")];
        check(|d| d.html += "{{ open", &fault);
        check(|d| d.html += "{% if city %}", &fault);
        check(|d| d.html += "{{ city | shout }}", &fault);
        check(|d| d.html += "{{ city.name }}", &[(Level::Block, "unknown-field", "html"), fault[0]]);
        check(|d| d.subject = "{% for a in [1,2] %}".into(), &[(Level::Block, "template-error", "subject")]);
    }

    #[test]
    fn what_could_be_better_warns() {
        use Level::Warn;
        check(|d| d.subject = "BUY NOW, {{ first_name }}!!!".into(), &[]);
        check(|d| d.subject = "BUY OUR SHOES NOW".into(), &[(Warn, "shouting-subject", "subject")]);
        check(|d| d.subject = "Re: your order".into(), &[(Warn, "fake-reply", "subject")]);
        check(|d| d.subject = "{{ first_name }}".into(), &[(Warn, "subject-may-be-empty", "subject")]);
        check(|d| d.from_email = "ana@gmail.com".into(), &[(Warn, "free-mail-from", "from_email")]);
        check(|d| d.from_email = "ana@yahoo.co.uk".into(), &[(Warn, "free-mail-from", "from_email")]);
        check(|d| d.html += "<img src=x>", &[(Warn, "images-without-alt", "html")]);
        check(|d| d.html += "<script>1</script>", &[(Warn, "script", "html")]);
        check(|d| d.html += "<a href='http://a.example'>a</a>", &[(Warn, "http-link", "html")]);
        check(
            |d| d.html += "<a href='www.a.example'>a</a><a href='mailto:a@b.example'>",
            &[(Warn, "bad-link", "html")],
        );
        check(|d| d.html += &"x".repeat(103 * 1024), &[(Warn, "clipped", "html")]);
        check(|d| d.html += "*|FNAME|*", &[(Warn, "foreign-tag", "html")]);
        check(|d| d.subject = "x".repeat(91), &[(Level::Info, "long-subject", "subject")]);
    }
}
