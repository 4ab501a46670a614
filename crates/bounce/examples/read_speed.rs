//! Prints how many reports are read and classified each second, on one core, over the corpus:
//! `cargo run --release -p tidings-bounce --example read_speed`.

use std::path::Path;
use std::time::Instant;

use tidings_bounce::read;

const ROUNDS: usize = 100;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpora/bounces");
    let mut mails = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            mails.push((path.clone(), std::fs::read(path)?));
        }
    }
    let first = Instant::now();
    mails.iter().for_each(|(_, mail)| drop(std::hint::black_box(read(mail))));
    println!("the first round, with compiling the rules: {:?}", first.elapsed());
    let start = Instant::now();
    for _ in 0..ROUNDS {
        mails.iter().for_each(|(_, mail)| drop(std::hint::black_box(read(mail))));
    }
    let octets: usize = mails.iter().map(|(_, mail)| mail.len()).sum();
    let each = start.elapsed() / u32::try_from(ROUNDS * mails.len()).unwrap_or(u32::MAX);
    println!(
        "{} mails of {} octets on average: {each:?} each, {:.0} a second",
        mails.len(),
        octets / mails.len(),
        1.0 / each.as_secs_f64()
    );
    let mut slowest: Vec<_> = mails.iter().map(|(path, mail)| (time(mail), path)).collect();
    slowest.sort();
    for (time, path) in slowest.iter().rev().take(5) {
        println!("{time:?} {}", path.file_name().unwrap_or_default().display());
    }
    Ok(())
}

fn time(mail: &[u8]) -> std::time::Duration {
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| drop(std::hint::black_box(read(mail))));
    start.elapsed() / ROUNDS as u32
}
