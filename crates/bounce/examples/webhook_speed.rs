//! Prints how many events of a batch are cut, read and classified each second, on one core:
//! `cargo run --release -p tidings-bounce --example webhook_speed`.

use std::hint::black_box;
use std::time::Instant;

use tidings_bounce::webhook::{read_event, split};
use tidings_domain::Service;

const EVENTS: usize = 1_000;
const ROUNDS: usize = 50;

fn main() -> Result<(), tidings_bounce::webhook::Unreadable> {
    let reasons = [
        "550 5.1.1 <ana@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
        "552 5.2.2 The email account that you tried to reach is over quota",
        "554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using a list",
        "550 this text is known to nobody",
    ];
    let event = |n: usize| {
        format!(
            r#"{{"email":"ana{n}@example.org","timestamp":1800000000,"event":"bounce","type":"bounce","status":"5.0.0",
            "smtp-id":"<tok{n}@bounce.example>","sg_event_id":"id-{n}","sg_message_id":"m{n}","reason":"{}","ip":"192.0.2.7",
            "category":["news","january"],"bounce_classification":"Unclassified","tidings":"tok{n}"}}"#,
            reasons[n % reasons.len()]
        )
    };
    let body = format!("[{}]", (0..EVENTS).map(event).collect::<Vec<_>>().join(","));
    let first = split(Service::SendGrid, body.as_bytes())?;
    black_box(read_event(Service::SendGrid, &first[0].json)?);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(split(Service::SendGrid, body.as_bytes())?);
    }
    print("cut", start);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for event in &first {
            black_box(read_event(Service::SendGrid, &event.json)?);
        }
    }
    print("read and classified", start);
    Ok(())
}

fn print(what: &str, start: Instant) {
    let each = start.elapsed() / u32::try_from(ROUNDS * EVENTS).unwrap_or(u32::MAX);
    println!("{what}: {each:?} each, {:.0} a second", 1.0 / each.as_secs_f64());
}
