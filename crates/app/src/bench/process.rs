//! What this process has used, from /proc.

use std::time::Duration;

use anyhow::Context;

/// Clock ticks a second of /proc/self/stat on Linux: fixed by its ABI.
const TICKS_A_SECOND: u64 = 100;

/// `user + sys` of this process since its start, children not counted.
pub fn cpu_time() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    // The name in brackets may hold spaces; the fields behind it are numbered from 3.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |number: usize| -> anyhow::Result<u64> {
        Ok(fields.get(number - 3).context("a short /proc/self/stat")?.parse()?)
    };
    let ticks = field(14)? + field(15)?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}

/// The most memory this process ever held, in MiB.
pub fn peak_memory_mib() -> anyhow::Result<f64> {
    peak_memory_of("self")
}

/// The same of a process by its id.
pub fn peak_memory_of(id: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("reading /proc/…/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("no VmHWM in /proc/…/status")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse().context("VmHWM is not a number")?;
    Ok(kib / 1024.0)
}
