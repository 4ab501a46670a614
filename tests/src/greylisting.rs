//! Greylisting for receivers that have none of their own: who comes for the first time is asked to come again.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is said to who comes for the first time.
pub const SAID: &str = "451 4.7.1 Greylisted, please try again later";

/// A filter for OpenSMTPD (smtpd-filters(7)): it answers on its standard output.
pub const OPENSMTPD_FILTER: &str = r#"
import sys
seen = set()
for line in sys.stdin:
    fields = line.rstrip("\n").split("|")
    if fields == ["config", "ready"]:
        print("register|filter|smtp-in|rcpt-to\nregister|ready", flush=True)
    elif fields[0] == "filter":
        session, token, recipient = fields[5], fields[6], fields[7]
        said = "proceed" if recipient in seen else "reject|SAID"
        seen.add(recipient)
        print(f"filter-result|{session}|{token}|{said}", flush=True)
"#;

/// A policy server for Postfix (SMTPD_POLICY_README): it is asked about each recipient and lives as long as the test.
///
/// # Panics
/// There is no free port.
#[must_use]
pub fn postfix_policy() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let seen = Arc::new(Mutex::new(HashSet::new()));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || answer(client, &seen));
        }
    });
    address
}

/// A question is lines of `name=value` up to an empty one.
fn answer(client: TcpStream, seen: &Mutex<HashSet<String>>) {
    let Ok(mut writer) = client.try_clone() else { return };
    let mut recipient = String::new();
    for line in BufReader::new(client).lines().map_while(Result::ok) {
        if let Some(given) = line.strip_prefix("recipient=") {
            recipient = given.to_owned();
        } else if line.is_empty() {
            let is_new = seen.lock().is_ok_and(|mut seen| seen.insert(std::mem::take(&mut recipient)));
            let action = if is_new { SAID } else { "DUNNO" };
            if write!(writer, "action={action}\n\n").is_err() {
                return;
            }
        }
    }
}
