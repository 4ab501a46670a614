//! What was used, in words.

use std::fmt::Write as _;
use std::time::Duration;

use super::{SendArguments, Sent};

/// Through PostgreSQL and Redis a message costs us at most so many times what it costs embedded.
const SERVERS_TARGET: f64 = 1.5;
/// Signed, it costs us at most so many times what a bare signature and the unsigned message cost.
const SIGNED_TARGET: f64 = 1.3;
/// Signed, we send so many times as many messages as Postfix with opendkim.
const PEER_TARGET: f64 = 5.0;

/// What one side used.
pub struct Used {
    pub wall: Duration,
    pub cpu: Duration,
}

impl Used {
    pub fn cpu_ms_each(&self, messages: u32) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / f64::from(messages)
    }

    pub fn a_second(&self, messages: u32) -> f64 {
        f64::from(messages) / self.wall.as_secs_f64()
    }
}

pub fn report(arguments: &SendArguments, floor: &Used, Sent { used: sent, ready, peak }: &Sent) -> String {
    let n = arguments.messages;
    let mut out = String::new();
    let _ = writeln!(out, "{:<28}{:>14}{:>22}", "", "messages/s", "our CPU ms/message");
    let _ =
        writeln!(out, "{:<28}{:>14.0}{:>22.3}", "bare loop, same transaction", floor.a_second(n), floor.cpu_ms_each(n));
    let _ = writeln!(out, "{:<28}{:>14.0}{:>22.3}", "campaign", sent.a_second(n), sent.cpu_ms_each(n));
    let _ = writeln!(out, "ratio to the floor: {:.2} in CPU", sent.cpu_ms_each(n) / floor.cpu_ms_each(n).max(0.001));
    if let Some(ms) = arguments.round_trip {
        let _ = writeln!(
            out,
            "{ms} ms away: {:.2} messages/s on each connection, {:.2} round trips for each message",
            sent.a_second(n) / f64::from(arguments.connections),
            sent.wall.as_secs_f64() * 1000.0 * f64::from(arguments.connections) / f64::from(n) / ms.max(1) as f64
        );
    }
    let _ = writeln!(out, "peak memory: {peak:.0} MiB ({ready:.0} MiB with {n} jobs queued, before sending)");
    out
}

/// What was found, and whether it is within what is asked for.
pub struct Verdict {
    text: String,
    kept: bool,
}

impl Verdict {
    /// Tells it. True when it was kept.
    pub fn print(&self) -> bool {
        print!("{}", self.text);
        self.kept
    }
}

pub fn report_servers(arguments: &SendArguments, embedded: &Used, servers: &Used) -> Verdict {
    let n = arguments.messages;
    let ratio = servers.cpu_ms_each(n) / embedded.cpu_ms_each(n).max(0.001);
    let text = format!(
        "{:<28}{:>14.0}{:>22.3}\nratio to the embedded campaign: {ratio:.2} in our CPU (at most {SERVERS_TARGET} is asked for; the servers' own is not in it)\n",
        "PostgreSQL and Redis",
        servers.a_second(n),
        servers.cpu_ms_each(n)
    );
    Verdict { text, kept: ratio <= SERVERS_TARGET }
}

/// Our CPU for a signed message beside what it is made of.
pub fn report_signed(arguments: &SendArguments, bare: Duration, unsigned: &Used, signed: &Used) -> Verdict {
    let n = arguments.messages;
    let (bare, unsigned, ours) = (bare.as_secs_f64() * 1e3, unsigned.cpu_ms_each(n), signed.cpu_ms_each(n));
    let ratio = ours / (bare + unsigned).max(0.001);
    let cores = signed.cpu.as_secs_f64() / signed.wall.as_secs_f64();
    let text = format!(
        "{:<28}{:>14.0}{ours:>22.3}\nratio to one bare signature by the same library ({bare:.3} ms) and the unsigned cost: {ratio:.2} in CPU \
         (at most {SIGNED_TARGET} is asked for); {cores:.2} cores used\n",
        "campaign, signed",
        signed.a_second(n)
    );
    Verdict { text, kept: ratio <= SIGNED_TARGET }
}

/// Messages a second of Postfix beside ours.
pub fn report_peer(theirs: f64, ours: f64, signs: bool) -> Verdict {
    let name = if signs { "Postfix with opendkim (RSA-2048)" } else { "Postfix" };
    let times = ours / theirs.max(0.001);
    let asked = if signs { format!(" (at least {PEER_TARGET} is asked for)") } else { String::new() };
    let text = format!("{name}: {theirs:.0} messages/s; ours {ours:.0}, {times:.1} times as many{asked}\n");
    Verdict { text, kept: !signs || times >= PEER_TARGET }
}
