use std::process::ExitCode;

use serde_json::json;
use tidings_domain::UnixMs;
use tidings_store::Heartbeat;
use tidings_worker::now;

use crate::config::Config;
use crate::ground::open_beside;
use crate::table;

/// A process that has been silent for longer counts as gone.
const SILENT_MS: i64 = UnixMs::MINUTE;

#[derive(clap::Args)]
pub struct WorkersArguments {
    /// For programs: one JSON array.
    #[arg(long)]
    json: bool,
}

/// Every process of the installation that showed life within a day. It works beside running processes. Ends with 1 when none is alive
/// that sends.
pub async fn run(arguments: WorkersArguments, config: Config) -> anyhow::Result<ExitCode> {
    let store = open_beside(&config).await?;
    let (beats, at) = (store.workers().await?, now());
    let is_alive = |beat: &Heartbeat| at.0 - beat.heartbeat_at_ms < SILENT_MS;
    if arguments.json {
        let all: Vec<_> = beats.iter().map(|beat| as_json(beat, is_alive(beat))).collect();
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else if beats.is_empty() {
        println!(
            "no process has shown life: start one with `tidings serve`, or with `tidings worker` on PostgreSQL and Redis"
        );
    } else {
        let rows: Vec<Vec<String>> = beats.iter().map(|beat| row(beat, is_alive(beat), at)).collect();
        table::print(
            &["ROLE", "HOST", "VERSION", "UP", "LAST LIFE", "CONNECTIONS", "A MINUTE", "ATTEMPTS", "ID"],
            &rows,
        );
    }
    let sends = beats.iter().any(|beat| is_alive(beat) && matches!(beat.role.as_str(), "serve" | "worker"));
    Ok(if sends { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(beat: &Heartbeat, alive: bool) -> serde_json::Value {
    json!({
        "id": beat.id, "role": beat.role, "host": beat.host, "version": beat.version, "alive": alive,
        "started_at_ms": beat.started_at_ms, "heartbeat_at_ms": beat.heartbeat_at_ms,
        "connections": beat.connections, "max_connections": beat.max_connections, "attempts": beat.attempts,
        "attempts_per_minute": beat.attempts_per_minute, "lanes": beat.lanes,
    })
}

fn row(beat: &Heartbeat, alive: bool, at: UnixMs) -> Vec<String> {
    let since = |ms: i64| table::about(at.since(UnixMs(ms)));
    let last = format!("{} ago{}", since(beat.heartbeat_at_ms), if alive { "" } else { ": gone" });
    vec![
        if beat.lanes.is_empty() { beat.role.clone() } else { format!("{} ({})", beat.role, beat.lanes) },
        beat.host.clone(),
        beat.version.clone(),
        since(beat.started_at_ms),
        last,
        format!("{}/{}", beat.connections, beat.max_connections),
        beat.attempts_per_minute.to_string(),
        beat.attempts.to_string(),
        beat.id.clone(),
    ]
}
