//! What happened to a destination's pace, in words.

use tidings_domain::{Knob, PaceAct, UnixMs};
use tidings_store::PaceEvent;

use crate::chart::Sparkline;
use crate::page::Page;
use crate::pages::campaigns::{rate, wording};
use crate::text::count_of;

/// One line of the history.
pub(crate) struct EventRow {
    pub at_ms: i64,
    pub provider: String,
    pub provider_label: String,
    pub tone: &'static str,
    /// `Rate down from 5/s to 2.5/s, held until 12:42`
    pub what: String,
    /// The receiver's own words, or the operator's.
    pub why: String,
    pub by: String,
}

pub(crate) fn event_rows(events: &[PaceEvent], page: &Page) -> Vec<EventRow> {
    events.iter().map(|event| row(event, page)).collect()
}

fn row(event: &PaceEvent, page: &Page) -> EventRow {
    EventRow {
        at_ms: event.at_ms,
        provider: event.of.provider.clone(),
        provider_label: wording::provider(&event.of.provider),
        tone: match event.act {
            PaceAct::Down if event.class.is_some_and(|class| class.is_block()) => "bad",
            PaceAct::Down | PaceAct::Hold => "warn",
            PaceAct::Up | PaceAct::Lift => "ok",
        },
        what: words(event, page),
        why: event.why.clone(),
        by: event.by.clone(),
    }
}

fn words(event: &PaceEvent, page: &Page) -> String {
    let turned = event.turn.map(|(knob, from, to)| {
        let (name, value): (_, fn(f64) -> String) = match knob {
            Knob::Rate => ("Rate", rate::per_second),
            Knob::Connections => ("Connections", whole),
            Knob::MessagesPerConnection => ("Messages on each connection", whole),
        };
        let way = if to > from { "up" } else { "down" };
        format!("{name} {way} from {} to {}", value(from), value(to))
    });
    let held = event.until_ms.map(|until| format!("held until {}", page.clock(UnixMs(until))));
    let mut said: Vec<String> = turned.into_iter().chain(held).collect();
    if said.is_empty() {
        said.push(if event.act == PaceAct::Lift { "holds lifted" } else { "asked to slow down" }.to_owned());
    }
    let times = if event.times > 1 { format!(" ({})", count_of(event.times, "time", "times")) } else { String::new() };
    format!("{}{}{times}", wording::capitalised(&said.join(", ")), whose(event))
}

fn whose(event: &PaceEvent) -> String {
    let route = event.of.route.map_or_else(String::new, |route| format!(" on route {route}"));
    let stream = if event.of.stream.is_empty() { String::new() } else { format!(" for {}", event.of.stream) };
    format!("{route}{stream}")
}

fn whole(value: f64) -> String {
    crate::text::number(value.round() as i64)
}

/// The rate over the last turns, oldest first; nothing with fewer than two.
pub(super) fn rate_line(events: &[PaceEvent]) -> Option<Sparkline> {
    let turns = events.iter().rev().filter_map(|event| event.turn).filter(|(knob, ..)| *knob == Knob::Rate);
    let turns: Vec<(f64, f64)> = turns.map(|(_, from, to)| (from, to)).collect();
    let (first, last) = (turns.first()?, turns.last()?);
    if turns.len() < 2 {
        return None;
    }
    let label = format!(
        "The rate over the last {} turns, from {} to {}",
        turns.len(),
        rate::per_second(first.0),
        rate::per_second(last.1)
    );
    let milli = |value: f64| (value * 1_000.0).round() as i64;
    let values: Vec<i64> = std::iter::once(first.0).chain(turns.iter().map(|turn| turn.1)).map(milli).collect();
    Some(Sparkline::new(label, &values))
}
