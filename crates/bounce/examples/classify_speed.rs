//! Prints what one classification costs: `cargo run --release -p tidings-bounce --example classify_speed`.

use std::time::Instant;

use tidings_bounce::{classify, normalise};
use tidings_domain::{Phase, Reply};

const ROUNDS: u32 = 20_000;

const TEXTS: [&str; 4] = [
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\n550 5.1.1 double-checking the address",
    "421 4.7.28 [192.0.2.1] Our system has detected an unusual rate of unsolicited mail originating from your IP address.",
    "452 4.2.2 The email account that you tried to reach is over quota.",
    "554 delivery error: dd Sorry your message to ana@example.com cannot be delivered",
];

fn main() {
    let replies = TEXTS.map(|text| Reply::from_text(text, 0));
    let first = Instant::now();
    std::hint::black_box(classify(Phase::Rcpt, &replies[0], "google"));
    println!("the first one, with compiling the rules: {:?}", first.elapsed());
    let start = Instant::now();
    for round in 0..ROUNDS {
        std::hint::black_box(classify(Phase::Rcpt, &replies[round as usize % replies.len()], "google"));
    }
    println!("classify: {:?} each", start.elapsed() / ROUNDS);
    let start = Instant::now();
    for round in 0..ROUNDS {
        std::hint::black_box(normalise(TEXTS[round as usize % TEXTS.len()]));
    }
    println!("normalise: {:?} each", start.elapsed() / ROUNDS);
}
