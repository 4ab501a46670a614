//! The servers under the product, all of them real and the harness's own: PostgreSQL on a small disk, two Redis, proxies with faults before
//! both, and a sandbox that takes the mail. Or only a small disk, for SQLite.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tidings_testing::{FaultProxy, SmallDisk, TestPostgres, TestRedis};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::binary::command;

/// Room for the database of a long run.
const DISK_MIB: u32 = 600;
/// Lines of settings that the sandbox prints first.
const SANDBOX_SETTINGS: usize = 3;
/// All links in mails begin with it; nobody has to be there.
pub const PUBLIC_URL: &str = "http://crash.example";
pub const BOUNCE_DOMAIN: &str = "bounces.crash.example";

/// How the product is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetUp {
    /// The roles in processes of their own, on PostgreSQL and Redis.
    Apart,
    /// All in one process, on SQLite.
    Alone,
}

pub struct Ground {
    pub servers: Servers,
    sandbox: Sandbox,
    /// How many recipients the sandbox's habits are made for.
    audience: u32,
    // Last: everything else lies in it.
    folder: TempDir,
}

pub enum Servers {
    Apart(Box<Apart>),
    Alone(SmallDisk),
}

pub struct Apart {
    pub postgres: TestPostgres,
    pub postgres_proxy: FaultProxy,
    pub redis: RedisPair,
    pub redis_proxy: FaultProxy,
}

impl Ground {
    /// # Errors
    /// A server does not start.
    pub async fn start(set_up: SetUp, audience: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let sandbox = Sandbox::start(&folder.path().join("accepted.log"), audience).await?;
        let servers = match set_up {
            SetUp::Apart => Servers::Apart(Box::new(Apart::start().await?)),
            SetUp::Alone => Servers::Alone(SmallDisk::mount(&folder.path().join("disk"), DISK_MIB)),
        };
        let ground = Self { servers, sandbox, audience, folder };
        std::fs::create_dir_all(ground.data()).context("the data folder")?;
        Ok(ground)
    }

    #[must_use]
    pub const fn is_apart(&self) -> bool {
        matches!(self.servers, Servers::Apart(_))
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        match &self.servers {
            Servers::Apart(_) => self.folder.path().join("data"),
            Servers::Alone(disk) => disk.path().join("data"),
        }
    }

    /// What lies beside the data: logs, lists to be imported.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    #[must_use]
    pub fn accepted_log(&self) -> PathBuf {
        self.folder.path().join("accepted.log")
    }

    #[must_use]
    pub const fn audience(&self) -> u32 {
        self.audience
    }

    #[must_use]
    pub const fn disk(&self) -> &SmallDisk {
        match &self.servers {
            Servers::Apart(apart) => apart.postgres.disk(),
            Servers::Alone(disk) => disk,
        }
    }

    /// Where the harness itself looks: past the proxy.
    #[must_use]
    pub fn database_url(&self) -> String {
        match &self.servers {
            Servers::Apart(apart) => apart.postgres.url(),
            Servers::Alone(_) => self.sqlite_file(),
        }
    }

    fn sqlite_file(&self) -> String {
        self.data().join("tidings.sqlite3").to_string_lossy().into_owned()
    }

    /// What every process of the product is told.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut all = self.sandbox.settings.clone();
        let mut tell = |name: &str, value: String| all.push((name.to_owned(), value));
        tell("TIDINGS_DATA_DIR", self.data().to_string_lossy().into_owned());
        tell("TIDINGS_PUBLIC_URL", PUBLIC_URL.to_owned());
        tell("TIDINGS_BOUNCE_DOMAIN", BOUNCE_DOMAIN.to_owned());
        tell("TIDINGS_TRUSTED_PROXIES", "127.0.0.1".to_owned());
        tell("TIDINGS_LOG", "warn".to_owned());
        if let Servers::Apart(apart) = &self.servers {
            tell("DATABASE_URL", apart.postgres.url_by(apart.postgres_proxy.address()));
            tell("REDIS_URL", format!("redis://{}", apart.redis_proxy.address()));
        }
        all
    }

    /// Statements, past the product and its proxies: one line for each row, fields parted by `|`.
    ///
    /// # Errors
    /// What the database says.
    pub fn ask(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        match &self.servers {
            Servers::Apart(apart) => apart.postgres.ask(sql).map_err(anyhow::Error::msg),
            Servers::Alone(_) => sqlite(&self.sqlite_file(), sql),
        }
    }
}

fn sqlite(file: &str, sql: &str) -> anyhow::Result<Vec<String>> {
    let mut shell = Command::new("sqlite3");
    shell.args(["-batch", "-bail", "-cmd", ".timeout 10000", file]);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut shell = shell.spawn().context("sqlite3 is needed: apt-get install sqlite3")?;
    // Not as an argument: one that begins with a comment would be an option to it.
    shell.stdin.take().context("its input")?.write_all(sql.as_bytes()).context("asking sqlite3")?;
    let asked = shell.wait_with_output().context("sqlite3")?;
    if !asked.status.success() {
        bail!("{}", String::from_utf8_lossy(&asked.stderr));
    }
    Ok(String::from_utf8_lossy(&asked.stdout).lines().map(str::to_owned).collect())
}

impl Apart {
    async fn start() -> anyhow::Result<Self> {
        let (postgres, redis) = tokio::task::block_in_place(|| (TestPostgres::start(DISK_MIB), RedisPair::start()));
        let postgres_proxy = FaultProxy::before(postgres.address()).await.context("a proxy")?;
        let redis_proxy = FaultProxy::before(redis.primary()).await.context("a proxy")?;
        Ok(Self { postgres, postgres_proxy, redis, redis_proxy })
    }

    /// The replica becomes the server; the old one is killed and comes back as its replica.
    pub fn fail_over(&mut self) {
        let new = self.redis.promote();
        self.redis_proxy.lead_to(new);
        self.redis.replace_replica();
    }
}

/// A Redis and its replica. Neither saves anything.
pub struct RedisPair {
    servers: [TestRedis; 2],
    primary: usize,
}

impl RedisPair {
    fn start() -> Self {
        let pair = Self { servers: [TestRedis::start(), TestRedis::start()], primary: 0 };
        pair.follow();
        pair
    }

    #[must_use]
    pub fn primary(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.servers[self.primary].port()).into()
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.servers[self.primary].url()
    }

    /// Killed, and started again with nothing in it.
    pub fn die_and_come_back_empty(&mut self) {
        self.servers[self.primary].kill();
        self.servers[self.primary].start_again();
    }

    /// Emptied while it runs.
    pub fn wipe(&self) {
        self.command(self.primary, &["FLUSHALL"]);
    }

    /// Connections to the one that serves, this question's own not counted.
    ///
    /// # Errors
    /// It does not answer.
    pub fn connections(&self) -> anyhow::Result<u64> {
        let port = self.servers[self.primary].port().to_string();
        let said = Command::new("redis-cli").args(["-p", &port, "INFO", "clients"]).output().context("redis-cli")?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let clients = said.lines().find_map(|line| line.strip_prefix("connected_clients:"));
        let clients: u64 = clients.with_context(|| format!("Redis says {said:?}"))?.trim().parse()?;
        Ok(clients.saturating_sub(1))
    }

    fn promote(&mut self) -> SocketAddr {
        self.command(1 - self.primary, &["REPLICAOF", "NO", "ONE"]);
        self.primary = 1 - self.primary;
        self.primary()
    }

    fn replace_replica(&mut self) {
        let replica = &mut self.servers[1 - self.primary];
        replica.kill();
        replica.start_again();
        self.follow();
    }

    fn follow(&self) {
        let port = self.servers[self.primary].port().to_string();
        self.command(1 - self.primary, &["REPLICAOF", "127.0.0.1", &port]);
    }

    fn command(&self, server: usize, words: &[&str]) {
        let port = self.servers[server].port().to_string();
        let done = Command::new("redis-cli").args(["-p", &port]).args(words).stdout(Stdio::null()).status();
        assert!(done.is_ok_and(|status| status.success()), "redis-cli is needed: apt-get install redis-tools");
    }
}

/// The world that the mail goes to, in a process that outlives every kill.
struct Sandbox {
    _child: Child,
    settings: Vec<(String, String)>,
}

impl Sandbox {
    async fn start(log: &Path, audience: u32) -> anyhow::Result<Self> {
        let mut child = command()
            .args(["sandbox", "--subscribers", &audience.to_string(), "--log"])
            .arg(log)
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the sandbox")?;
        let mut lines = BufReader::new(child.stdout.take().context("the sandbox's output")?).lines();
        let mut settings = Vec::new();
        while settings.len() < SANDBOX_SETTINGS {
            let line = lines.next_line().await?.context("the sandbox ended at its start")?;
            let (name, value) = line.split_once('=').context("the sandbox's settings")?;
            settings.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self { _child: child, settings })
    }
}
