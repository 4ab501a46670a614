//! What a reply asks of everyone who speaks to a destination: told to the queue, which all workers obey, and written down.

use tidings_bounce::link_in;
use tidings_domain::{Destination, PaceAct, PaceKey, Verdict, provider_label};
use tidings_queue::{Cut, Knob, Scope, Shard, Signal, Turn};
use tidings_store::{NewPaceEvent, PaceOf, RouteId, Work};

use super::context::SenderContext;
use crate::now;

/// Who turned a knob, when the program did.
const BY: &str = "Tidings";
/// Characters of a reply that are told to the owners of campaigns.
const TOLD_CHARS: usize = 300;

/// Turns and holds what the verdict names, for whom it names.
pub(super) async fn obey(context: &SenderContext, shard: &Shard, work: &Work, verdict: &Verdict, why: &str) {
    let mut turned = None;
    let stream = stream(context, work, verdict.key).await;
    let scope = if stream.is_empty() { Scope::Destination } else { Scope::Stream };
    let shard = &shard.clone().with_stream(stream);
    for shard in shards(context, shard, verdict.key).await {
        let signal = Signal {
            scope,
            knob: verdict.knob.map(knob),
            cut: cut(verdict.cut),
            stay: verdict.stay,
            hold: verdict.hold,
            why: why.to_owned(),
        };
        turned = turned.or(context.queue.signal(&shard, signal).await);
    }
    // A knob that was turned just before, and no hold: nothing happened.
    if turned.is_none() && verdict.hold.is_none() {
        return;
    }
    let event = event(context, shard, work, verdict, turned, why);
    if let Err(error) = context.store.note_pace(event, now()).await {
        tracing::error!(%error, provider = &*work.provider, "what slowed a provider could not be written down");
    }
}

/// The campaign's sending domain, when the reply is about that; empty when it is about all of our mail.
async fn stream(context: &SenderContext, work: &Work, key: PaceKey) -> String {
    if key != PaceKey::SendingDomain {
        return String::new();
    }
    context.store.sending_domain(work.campaign).await.unwrap_or_else(|error| {
        tracing::error!(%error, campaign = work.campaign.0, "the sending domain cannot be read; all of the provider's mail waits");
        String::new()
    })
}

/// The destination that spoke; or, when it meant all that comes from us, every one of its provider.
async fn shards(context: &SenderContext, shard: &Shard, key: PaceKey) -> Vec<Shard> {
    let mut shards = vec![shard.clone()];
    if key == PaceKey::Provider {
        let owner = Destination::owner_of(&shard.name);
        for status in context.queue.snapshot().await.shards {
            let is_new = shards.iter().all(|known| known.name != status.shard.name);
            if is_new && Destination::owner_of(&status.shard.name) == owner {
                shards.push(status.shard);
            }
        }
    }
    shards
}

/// What a destination's name in the queue is about: whose budget it is, and the route.
pub(crate) fn pace_of(name: &str) -> (&str, Option<RouteId>) {
    (Destination::owner_of(name), Destination::of(name).route().map(RouteId))
}

fn event(
    context: &SenderContext,
    shard: &Shard,
    work: &Work,
    verdict: &Verdict,
    turned: Option<Turn>,
    why: &str,
) -> NewPaceEvent {
    let (provider, route) = pace_of(&shard.name);
    let route = if verdict.key == PaceKey::Provider { None } else { route.or(work.route) };
    let blocks = verdict.class.is_block() && verdict.hold.is_some();
    let route_name = route.and_then(|id| context.watch.route(id)).map(|route| route.name);
    NewPaceEvent {
        of: PaceOf { provider: provider.to_owned(), route, stream: shard.stream.to_string() },
        act: PaceAct::Down,
        turn: turned.map(|turn| (word(turn.knob), turn.from, turn.to)),
        until: verdict.hold.map(|hold| now().plus(hold)),
        class: Some(verdict.class),
        rule: verdict.rule.clone(),
        why: why.to_owned(),
        by: BY.to_owned(),
        attention: if blocks { attention(provider, route_name.as_deref(), why) } else { String::new() },
    }
}

/// Without times, so that the same block asks in the same words.
fn attention(provider: &str, route: Option<&str>, why: &str) -> String {
    let by = route.map_or_else(String::new, |name| format!(" by the route “{name}”"));
    let said: String = why.chars().filter(|c| !c.is_control()).take(TOLD_CHARS).collect();
    let link = link_in(why).map_or_else(String::new, |link| format!(" What it asks for: {link}"));
    format!(
        "{} blocks our mail{by} for now; what is left for it there waits, and nobody is marked. It said: {said}{link}",
        provider_label(provider)
    )
}

const fn cut(cut: tidings_domain::Cut) -> Cut {
    match cut {
        tidings_domain::Cut::Part(part) => Cut::Part(part),
        tidings_domain::Cut::AtMost(most) => Cut::AtMost(most),
    }
}

const fn knob(knob: tidings_domain::Knob) -> Knob {
    match knob {
        tidings_domain::Knob::Rate => Knob::Rate,
        tidings_domain::Knob::Connections => Knob::Connections,
        tidings_domain::Knob::MessagesPerConnection => Knob::MessagesPerConnection,
    }
}

pub(crate) const fn word(knob: Knob) -> tidings_domain::Knob {
    match knob {
        Knob::Rate => tidings_domain::Knob::Rate,
        Knob::Connections => tidings_domain::Knob::Connections,
        Knob::MessagesPerConnection => tidings_domain::Knob::MessagesPerConnection,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_a_block_hold_the_way_out() {
        let said = "550 5.7.1 blocked\r\nsee https://sender.example/delist";
        let words = attention("google", Some("Amsterdam"), said);
        assert!(
            words.starts_with("Gmail and Google Workspace blocks our mail by the route “Amsterdam” for now"),
            "{words}"
        );
        assert!(attention("google", None, said).starts_with("Gmail and Google Workspace blocks our mail for now"));
        assert!(words.ends_with("What it asks for: https://sender.example/delist"), "{words}");
        assert!(!words.contains('\r'));
    }
}
