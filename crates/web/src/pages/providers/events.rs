//! What happened to a destination's pace, in words.

use tidings_domain::{Knob, PaceAct, UnixMs};
use tidings_store::PaceEvent;

use crate::chart::Sparkline;
use crate::page::Page;
use crate::pages::campaigns::{rate, wording};
use crate::pages::route_names::{RouteNames, page_of};
use crate::text::count_of;

/// One line of the history.
pub(crate) struct EventRow {
    pub at_ms: i64,
    /// Whose pace it is, and its page.
    pub owner: String,
    pub href: String,
    pub tone: &'static str,
    /// `Rate down from 5/s to 2.5/s, held until 12:42`
    pub what: String,
    /// ` by Berlin`; empty: all of it.
    pub part: String,
    /// The receiver's own words, or why the program or an operator did it.
    pub why: String,
    pub is_reply: bool,
    pub by: String,
}

pub(crate) fn event_rows(events: &[PaceEvent], names: &RouteNames, page: &Page) -> Vec<EventRow> {
    events.iter().map(|event| row(event, names, page)).collect()
}

fn row(event: &PaceEvent, names: &RouteNames, page: &Page) -> EventRow {
    EventRow {
        at_ms: event.at_ms,
        owner: names.owner(&event.of.provider),
        href: page_of(&event.of.provider),
        tone: match event.act {
            PaceAct::Down if event.class.is_some_and(|class| class.is_block()) => "bad",
            PaceAct::Down | PaceAct::Hold => "warn",
            PaceAct::Up | PaceAct::Lift => "ok",
        },
        what: words(event, page),
        part: names.part(&event.of),
        is_reply: event.act == PaceAct::Down && !event.why.is_empty(),
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
    format!("{}{times}", wording::capitalised(&said.join(", ")))
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
