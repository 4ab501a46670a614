//! Writes a list of subscribers to standard output: `cargo run -p tidings-sandbox --example subscribers -- 10000`.

use std::io::{BufWriter, Write, stdout};

fn main() -> std::io::Result<()> {
    let rows = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(tidings_sandbox::SHIPPED_ROWS);
    let mut out = BufWriter::new(stdout().lock());
    tidings_sandbox::subscribers_csv(rows, &mut out)?;
    out.flush()
}
