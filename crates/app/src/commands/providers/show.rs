use std::process::ExitCode;

use anyhow::ensure;
use tidings_bounce::{ProviderBook, builtin_rules};
use tidings_domain::{PaceAct, ProviderLimits, ReplyRule, UnixMs, provider_label};
use tidings_store::{PaceEvent, Store};
use tidings_worker::now;

use crate::table::{self, about, short};

const EVENTS_SHOWN: i64 = 20;
const WHY_CHARACTERS: usize = 120;

pub fn list(book: &ProviderBook) -> anyhow::Result<ExitCode> {
    let rows: Vec<Vec<String>> = book
        .table
        .providers()
        .iter()
        .map(|provider| {
            let limits = provider.limits;
            let changed = book.base().limits(&provider.name) != limits;
            vec![
                provider.name.to_string(),
                provider_label(&provider.name).to_owned(),
                limits.per_second.to_string(),
                limits.connections.to_string(),
                limits.messages_per_connection.to_string(),
                if changed { "changed".to_owned() } else { String::new() },
            ]
        })
        .collect();
    table::print(&["NAME", "PROVIDER", "A SECOND", "CONNECTIONS", "MAILS EACH", ""], &rows);
    if let Some(trouble) = &book.trouble {
        println!("\nnot in force: {trouble}");
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn one(store: &Store, book: &ProviderBook, name: &str) -> anyhow::Result<ExitCode> {
    let known = book.table.provider(name);
    ensure!(
        known.is_some() || name.starts_with("mx:"),
        "there is no provider {name}: see `tidings providers ls`; one that is in no table is named mx:example.org"
    );
    println!("{name}: {}", provider_label(name));
    let (limits, base) = (book.table.limits(name), book.base().limits(name));
    println!("limits       {}", limit_words(limits));
    if limits != base {
        println!("built in     {}", limit_words(base));
    }
    if let Some(provider) = known {
        println!("mail hosts   {}", provider.entry.mx.join(" "));
        println!("domains      {}", provider.entry.domains.join(" "));
    }
    print_rules(book, name);
    let (events, at) = (store.pace_events(Some(name), EVENTS_SHOWN).await?, now());
    println!("\nlately{}", if events.is_empty() { ": nothing slowed it" } else { "" });
    events.iter().for_each(|event| println!("  {}", event_words(event, at)));
    for hold in store.standing_pace_holds(at).await?.iter().filter(|hold| hold.provider == name) {
        println!("held by {}: {}", hold.by, hold.why);
    }
    Ok(ExitCode::SUCCESS)
}

fn limit_words(limits: ProviderLimits) -> String {
    let ProviderLimits { connections, messages_per_connection, per_second } = limits;
    format!("{per_second} a second, {connections} connections, {messages_per_connection} messages on each")
}

fn print_rules(book: &ProviderBook, name: &str) {
    let own: Vec<&ReplyRule> = book.rules.own().collect();
    let is_own = |rule: &ReplyRule| own.iter().any(|own| own.name == rule.name);
    let mut all = own.clone();
    builtin_rules().for_each(|rule| all.push(rule));
    let rules: Vec<Vec<String>> = all
        .into_iter()
        .filter(|rule| rule.provider.iter().any(|provider| provider == name))
        .map(|rule| {
            let hold = rule.hold_minutes.map_or_else(String::new, |minutes| format!("{minutes} min"));
            let key = rule.key.clone().unwrap_or_default();
            let whose = if is_own(rule) { "own" } else { "built in" };
            vec![rule.name.clone(), rule.class.clone(), hold, key, whose.to_owned(), short(&rule.text, WHY_CHARACTERS)]
        })
        .collect();
    println!();
    table::print(&["RULE", "MEANING", "HOLD", "FOR", "WHOSE", "TEXT"], &rules);
}

fn event_words(event: &PaceEvent, at: UnixMs) -> String {
    let ago = about(at.since(UnixMs(event.at_ms)));
    let what = match (event.act, event.turn) {
        (_, Some((knob, from, to))) => format!("{knob} {from} → {to}"),
        (PaceAct::Lift, None) => "lifted".to_owned(),
        (_, None) => "held".to_owned(),
    };
    let until = match event.until_ms.map(UnixMs) {
        Some(until) if until > at && event.ended_at_ms.is_none() => {
            format!(", held for {} more", about(until.since(at)))
        }
        _ => String::new(),
    };
    let route = event.of.route.map_or_else(String::new, |route| format!(" on route {route}"));
    format!("{ago} ago: {what}{route}{until}, by {}: {}", event.by, short(&event.why, WHY_CHARACTERS))
}
