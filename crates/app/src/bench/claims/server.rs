//! The Redis that is measured: given, or started here and ended with the bench.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tidings_queue::{Queue, RedisOptions};
use tokio::process::{Child, Command};

/// A server that does not answer by then does not start.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks whether it answers.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

pub struct Server {
    pub url: String,
    _own: Option<(Child, TempDir)>,
}

impl Server {
    /// # Errors
    /// There is no `redis-server`, or it does not start.
    pub async fn of(url: Option<String>) -> anyhow::Result<Self> {
        match url {
            Some(url) => Ok(Self { url, _own: None }),
            None => Self::start().await,
        }
    }

    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).context("a free port")?.port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start redis-server: install it, or give a Redis with --redis redis://…")?;
        let server = Self { url: format!("redis://127.0.0.1:{port}"), _own: Some((child, folder)) };
        let from = Instant::now();
        while let Err(error) = Queue::redis(RedisOptions::new(&server.url)).await {
            if from.elapsed() > STARTS_WITHIN {
                bail!("redis-server does not start: {error}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(server)
    }
}
