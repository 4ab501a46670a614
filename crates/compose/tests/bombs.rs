//! Templates that try to take the machine: each is refused, or ends quickly, with a sentence.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_compose::{Content, Frozen, Keys, Mailer, Origin, Recipient, Site, preflight};

/// Far above what fuel allows, even in a debug build on a busy machine; far below what an unbounded template takes.
const DEADLINE: Duration = Duration::from_secs(5);

fn ends_with_a_sentence(html: String) {
    let started = Instant::now();
    let content = Content { html, from_email: "a@shop.example".into(), ..Content::default() };
    let site = Site {
        public_url: "https://m.example".into(),
        bounce_domain: "b.example".into(),
        takes_unsubscribe_mails: false,
        list_id_host: "l.example".into(),
    };
    let keys = Arc::new(Keys::new(&[0; 32]));
    let shown: String = content.html.chars().take(80).collect();
    let said =
        match Mailer::compile(&Frozen::untracked(content.clone()), Origin { workspace: 1, campaign: 1 }, &site, keys) {
            Err(findings) => findings[0].detail.clone(),
            Ok(mailer) => {
                let recipient =
                    Recipient { email: "a@b.example".into(), first_name: "x".repeat(100), ..Recipient::default() };
                mailer.preview(&recipient).expect_err(&shown).to_string()
            }
        };
    assert!(said.contains("ine ") || said.contains("larger"), "{said}");
    assert!(preflight(&content, &BTreeSet::new()).iter().any(|finding| finding.code == "template-error"), "{shown}");
    assert!(started.elapsed() < DEADLINE, "{shown}: {:?}", started.elapsed());
}

#[test]
fn loops_run_out_of_fuel() {
    let ten = "[1,2,3,4,5,6,7,8,9,10]";
    ends_with_a_sentence(format!("{}x{}", format!("{{% for a in {ten} %}}").repeat(9), "{% endfor %}".repeat(9)));
    let numbers: String = (0..5000).map(|n| format!("{n},")).collect();
    ends_with_a_sentence(format!(
        "{{% for a in [{numbers}] %}}{{% for b in [{numbers}] %}}{{{{ first_name }}}}{{% endfor %}}{{% endfor %}}"
    ));
}

#[test]
fn text_cannot_be_doubled() {
    let double = "{% for s in [s ~ s] %}";
    ends_with_a_sentence(format!(
        "{{% for s in [first_name] %}}{}{{{{ s }}}}{}",
        double.repeat(40),
        "{% endfor %}".repeat(41)
    ));
    ends_with_a_sentence("{{ 'x' * 1000000000 }}".into());
    ends_with_a_sentence("{% set a = 'x' %}{% set a = a ~ a %}".into());
    let nested = "{% for s in [[s, s]] %}";
    ends_with_a_sentence(format!(
        "{{% for s in [first_name] %}}{}{{{{ s }}}}{}",
        nested.repeat(25),
        "{% endfor %}".repeat(26)
    ));
}

#[test]
fn nothing_outside_can_be_reached() {
    for tag in [
        "{{ range(10) }}",
        "{{ debug() }}",
        "{{ env }}{{ lipsum() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{{ first_name | safe }}",
        "{{ first_name | replace('x', 'xx') }}",
        "{{ ''.join(first_name) }}",
    ] {
        ends_with_a_sentence(tag.to_owned());
    }
}

#[test]
fn deep_nesting_is_refused() {
    ends_with_a_sentence(format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)));
    ends_with_a_sentence(format!("{{{{ {}1{} }}}}", "[".repeat(20_000), "]".repeat(20_000)));
    ends_with_a_sentence(format!("{{% if {} a %}}{{% endif %}}", "not ".repeat(50_000)));
    ends_with_a_sentence(format!("{}x{}", "{% if email %}".repeat(20_000), "{% endif %}".repeat(20_000)));
    ends_with_a_sentence(format!("{{{{ a{} }}}}", ".b".repeat(50_000)));
    ends_with_a_sentence(format!("{{{{ -{}1 }}}}", "-".repeat(50_000)));
    ends_with_a_sentence(format!("{{{{ a{} | nix }}}}", " | upper".repeat(50_000)));
}

#[test]
fn a_page_of_one_mebibyte_is_the_limit() {
    ends_with_a_sentence("x".repeat(1024 * 1024 + 1));
}
