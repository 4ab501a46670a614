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
    check(|d| d.html += "<a href='www.a.example'>a</a><a href='mailto:a@b.example'>", &[(Warn, "bad-link", "html")]);
    check(|d| d.html += &"x".repeat(103 * 1024), &[(Warn, "clipped", "html")]);
    check(|d| d.html += "*|FNAME|*", &[(Warn, "foreign-tag", "html")]);
    check(|d| d.subject = "x".repeat(91), &[(Level::Info, "long-subject", "subject")]);
}
