//! A sink in a process of its own, so that its CPU is not counted as ours.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Context;
use tidings_sandbox::{FastSink, Recorder};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

#[derive(clap::Args)]
pub struct SinkArguments {
    /// Write down what was accepted, and when.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Offer STARTTLS.
    #[arg(long)]
    tls: bool,
}

/// The child: serves until its standard input closes, then says how many messages it took. To each line it says when a message was last
/// begun.
pub async fn run(arguments: SinkArguments) -> anyhow::Result<ExitCode> {
    let recorder = arguments.log.map(|log| Recorder::new(Some(&log), 0)).transpose()?;
    let recorder = recorder.map(Arc::new);
    let sink =
        if arguments.tls { FastSink::start_with_tls(recorder).await? } else { FastSink::start(recorder).await? };
    println!("{}", sink.address());
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    while asked.next_line().await?.is_some() {
        println!("{}", sink.last_mail_unix_ms());
    }
    println!("{}", sink.accepted());
    Ok(ExitCode::SUCCESS)
}

/// The parent's handle.
pub struct SinkProcess {
    child: Child,
    pub address: SocketAddr,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl SinkProcess {
    pub async fn start() -> anyhow::Result<Self> {
        Self::spawn(&[]).await
    }

    /// One that offers STARTTLS.
    pub async fn start_with_tls() -> anyhow::Result<Self> {
        Self::spawn(&["--tls".as_ref()]).await
    }

    /// One that writes down what it accepts, before it says so.
    pub async fn start_recording(log: &Path) -> anyhow::Result<Self> {
        Self::spawn(&["--log".as_ref(), log.as_os_str()]).await
    }

    async fn spawn(arguments: &[&OsStr]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe().context("where this program lies")?)
            .args(["bench", "sink"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the sink")?;
        let mut lines = BufReader::new(child.stdout.take().context("the sink's output")?).lines();
        let first = lines.next_line().await?.context("the sink said nothing")?;
        Ok(Self { address: first.parse().context("the sink's address")?, child, lines })
    }

    /// When a message was last begun, accepted or not; milliseconds since the epoch, 0 for never.
    pub async fn last_mail_unix_ms(&mut self) -> anyhow::Result<i64> {
        self.child.stdin.as_mut().context("the sink's input")?.write_all(b"\n").await?;
        let answer = self.lines.next_line().await?.context("the sink did not answer")?;
        answer.parse().context("the sink's answer")
    }

    /// Ends it and returns how many messages it accepted.
    pub async fn finish(mut self) -> anyhow::Result<u64> {
        drop(self.child.stdin.take());
        let count = self.lines.next_line().await?.context("the sink did not report")?;
        self.child.wait().await?;
        Ok(count.parse()?)
    }
}
