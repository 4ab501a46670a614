//! The processes of the product: started, killed, frozen, and started again as a service manager would.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::process::Child;

use super::ground::Ground;
use crate::binary::command;

/// A process that ends by itself, because a server is away, is started again after this.
const RESTART_AFTER: Duration = Duration::from_millis(500);
const START_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

const APART: &[&str] = &["web", "web", "dispatcher", "dispatcher", "worker", "worker", "worker", "intake"];
const ALONE: &[&str] = &["serve"];

pub struct Fleet {
    members: Vec<Member>,
    environment: Vec<(String, String)>,
    audience: u32,
    per_second: u32,
}

pub struct Member {
    pub role: &'static str,
    child: Child,
    /// Of one that serves pages; the same after each start.
    pub http: Option<SocketAddr>,
    /// Of one that takes mail.
    smtp: Option<SocketAddr>,
    frozen_until: Option<Instant>,
    ended: Option<Instant>,
    log: PathBuf,
    /// Open files when it had nothing to do yet.
    files_at_rest: u64,
}

impl Fleet {
    /// `per_second`: messages to each destination.
    ///
    /// # Errors
    /// A process does not start.
    pub async fn start(ground: &Ground, per_second: u32) -> anyhow::Result<Self> {
        let roles = if ground.is_apart() { APART } else { ALONE };
        let (environment, audience) = (ground.environment(), ground.audience());
        let mut fleet = Self { members: Vec::new(), environment, audience, per_second };
        for (number, role) in roles.iter().enumerate() {
            let http = matches!(*role, "web" | "serve").then(free_address).transpose()?;
            let smtp = matches!(*role, "intake" | "serve").then(free_address).transpose()?;
            let log = ground.folder().join(format!("{role}-{number}.log"));
            let child = fleet.launch(role, (http, smtp), &log)?;
            let member = Member { role, child, http, smtp, frozen_until: None, ended: None, log, files_at_rest: 0 };
            fleet.members.push(member);
        }
        Ok(fleet)
    }

    fn launch(
        &self,
        role: &str,
        (http, smtp): (Option<SocketAddr>, Option<SocketAddr>),
        log: &PathBuf,
    ) -> anyhow::Result<Child> {
        let log = File::options().create(true).append(true).open(log).context("the log of a process")?;
        let listen = http.map_or_else(|| "127.0.0.1:0".to_owned(), |address| address.to_string());
        command()
            .args([role, "--sandbox-audience", &self.audience.to_string()])
            .args(["--sandbox-pace", &self.per_second.to_string()])
            .envs(self.environment.iter().cloned())
            .env("TIDINGS_LISTEN", listen)
            .envs(smtp.map(|address| ("TIDINGS_INTAKE_LISTEN", address.to_string())))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting a {role}"))
    }

    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The numbers of those with this role.
    #[must_use]
    pub fn of_role(&self, role: &str) -> Vec<usize> {
        (0..self.members.len()).filter(|number| self.members[*number].role == role).collect()
    }

    /// Where pages are served.
    #[must_use]
    pub fn pages(&self) -> Vec<SocketAddr> {
        self.members.iter().filter_map(|member| member.http).collect()
    }

    /// Where mail comes in.
    ///
    /// # Errors
    /// Nobody takes mail.
    pub fn intake(&self) -> anyhow::Result<SocketAddr> {
        self.members.iter().find_map(|member| member.smtp).context("nobody takes mail")
    }

    /// SIGKILL: no handler runs, nothing is flushed. It is started again at once.
    ///
    /// # Errors
    /// It cannot be killed or started.
    pub async fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        self.members[number].child.kill().await.context("killing a process")?;
        self.start_again(number)
    }

    fn start_again(&mut self, number: usize) -> anyhow::Result<()> {
        let member = &self.members[number];
        let child = self.launch(member.role, (member.http, member.smtp), &member.log)?;
        let member = &mut self.members[number];
        (member.child, member.frozen_until, member.ended) = (child, None, None);
        Ok(())
    }

    /// SIGSTOP: it hangs, holding whatever it holds, until [`Fleet::tend`] finds its time over.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn freeze(&mut self, number: usize, how_long: Duration) -> anyhow::Result<()> {
        let member = &mut self.members[number];
        member.frozen_until = Some(Instant::now() + how_long);
        member.signal("-STOP")
    }

    /// Thaws whose time is over, and starts again what has ended by itself.
    ///
    /// # Errors
    /// A process cannot be signalled or started.
    pub fn tend(&mut self) -> anyhow::Result<()> {
        for number in 0..self.members.len() {
            let member = &mut self.members[number];
            if member.frozen_until.is_some_and(|until| until <= Instant::now()) {
                member.thaw()?;
            }
            if member.child.try_wait().context("looking at a process")?.is_none() {
                continue;
            }
            let ended = *member.ended.get_or_insert_with(Instant::now);
            if ended.elapsed() >= RESTART_AFTER {
                self.start_again(number)?;
            }
        }
        Ok(())
    }

    /// # Errors
    /// A process cannot be signalled.
    pub fn thaw_all(&mut self) -> anyhow::Result<()> {
        self.members.iter_mut().filter(|member| member.frozen_until.is_some()).try_for_each(Member::thaw)
    }

    /// Until every page server answers.
    ///
    /// # Errors
    /// One does not: with what it logged.
    pub async fn until_pages_answer(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        for (number, address) in self.members.iter().map(|member| member.http).enumerate().collect::<Vec<_>>() {
            let Some(address) = address else { continue };
            while tokio::net::TcpStream::connect(address).await.is_err() {
                ensure!(began.elapsed() < START_WITHIN, "{address} does not answer: {}", self.members[number].said());
                self.tend()?;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// What each process holds now is what it holds when it has nothing to do.
    pub fn remember_rest(&mut self) {
        for member in &mut self.members {
            member.files_at_rest = member.open_files();
        }
    }

    /// Open files of each role at rest, the highest.
    #[must_use]
    pub fn files_at_rest(&self, role: &str) -> u64 {
        self.members.iter().filter(|member| member.role == role).map(|member| member.files_at_rest).max().unwrap_or(0)
    }
}

impl Member {
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let sent = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
        // One that ended meanwhile needs no signal.
        sent.map(drop).context("sending a signal")
    }

    fn thaw(&mut self) -> anyhow::Result<()> {
        self.frozen_until = None;
        self.signal("-CONT")
    }

    /// 0: it has ended.
    #[must_use]
    pub fn open_files(&self) -> u64 {
        let folder = self.pid().and_then(|pid| std::fs::read_dir(format!("/proc/{pid}/fd")).ok());
        folder.map_or(0, |files| files.count() as u64)
    }

    /// Memory that it holds, in KiB; 0: it has ended.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        let status = self.pid().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let line = |text: String| text.lines().find_map(|line| line.strip_prefix("VmRSS:").map(str::to_owned));
        let kib = status.and_then(line).and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok());
        kib.unwrap_or(0)
    }

    /// The end of its log.
    #[must_use]
    pub fn said(&self) -> String {
        const LINES: usize = 5;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// The listener is gone when the process starts; nobody else takes a port of the ephemeral range so soon again.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
    listener.local_addr().context("a free port")
}
