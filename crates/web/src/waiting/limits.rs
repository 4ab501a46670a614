//! What keeps a destination's messages back: a hold, or the one limit that is reached.

use tidings_queue::{Knob, Limit, Standing, Window};

use super::cause::{Cause, Full, WarmUpDay};
use super::destination::Destination;
use super::warm_up::WarmUp;
use crate::pages::campaigns::rate::per_second;

/// It asked to be left alone.
pub fn held(destination: &Destination) -> Option<Cause> {
    let hold = destination.status.hold.as_ref()?;
    Some(Cause::Held {
        who: destination.who.clone(),
        since: hold.since,
        left: hold.remaining,
        reply: hold.why.clone(),
        waiting: destination.waiting(),
    })
}

/// The one limit that stops it now.
pub fn slow(destination: &Destination) -> Option<Cause> {
    let (who, waiting, status) = (destination.limited_by(), destination.waiting(), &destination.status);
    let limit = match (status.stopped_by.map(|stop| stop.limit), status.standing) {
        (Some(limit), _) => limit,
        (None, Standing::RateLimited) => Limit::Rate,
        (None, Standing::ConnectionLimited) => Limit::Connections,
        (None, _) => return None,
    };
    match limit {
        Limit::Hold => None,
        Limit::Rate => Some(Cause::Rate {
            who,
            limit: per_second(status.rate.limit),
            next: destination.next_token(),
            waiting,
            takes: destination.takes(),
            reply: destination.turned_by(Knob::Rate),
        }),
        Limit::Window(window) => Some(match &destination.warm_up {
            Some(warm_up) => warming_up(destination, warm_up),
            None => {
                let limit = status.windows.iter().find(|seen| seen.window == window).map_or(0, |seen| seen.limit);
                Cause::Window { who, window, limit, next: destination.next_token(), waiting }
            }
        }),
        Limit::Connections => Some(Cause::Connections {
            who,
            full: Full::of(status),
            waiting,
            reply: destination.turned_by(Knob::Connections),
        }),
    }
}

fn warming_up(destination: &Destination, warm_up: &WarmUp) -> Cause {
    let status = &destination.status;
    let day = status.windows.iter().find(|seen| seen.window == Window::Day);
    Cause::WarmUp(WarmUpDay {
        who: destination.who.clone(),
        route: warm_up.route_name.clone(),
        day: warm_up.day,
        cap: day.map_or(0, |day| day.limit),
        used: day.map_or(0, |day| day.used),
        kept: day.map_or(0, |day| day.reserved),
        next_cap: warm_up.next_cap,
        stays: warm_up.stays.clone(),
        next: destination.next_token(),
        waiting: destination.waiting(),
    })
}
