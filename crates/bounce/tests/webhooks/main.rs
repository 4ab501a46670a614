//! What each service posts, its proofs, and what strangers post.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod brevo;
mod generic;
mod hostile;
mod mailgun;
mod postmark;
mod proofs;
mod samples;
mod sendgrid;
mod ses;
mod sns;
mod sparkpost;

use serde_json::Value;
use tidings_bounce::Report;
use tidings_bounce::webhook::{read_event, split};
use tidings_domain::{BounceClass, Consequence, ReportKind, Service};

fn read(service: Service, event: &Value) -> Report {
    read_event(service, &event.to_string()).unwrap()
}

/// What follows from the event: its kind, and for a bounce of one recipient class and consequence.
type Said = (ReportKind, Option<(BounceClass, Consequence)>);

fn said(service: Service, event: &Value) -> Said {
    let report = read(service, event);
    let verdict = report.recipients.first().and_then(|r| r.verdict.as_ref());
    (report.kind, verdict.map(|v| (v.class, v.consequence)))
}

fn bounce(class: BounceClass, consequence: Consequence) -> Said {
    (ReportKind::Bounce, Some((class, consequence)))
}

fn only(kind: ReportKind) -> Said {
    (kind, None)
}

/// The event as it comes out of a post with it.
fn posted(service: Service, body: &Value) -> (Option<String>, Report) {
    let events = split(service, body.to_string().as_bytes()).unwrap();
    let [event] = &events[..] else { panic!("{events:?}") };
    (event.id.clone(), read_event(service, &event.json).unwrap())
}
