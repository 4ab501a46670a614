//! A `serve` in a process of its own that also takes mail: what the benches of the intake measure, and kill.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub const BOUNCE_DOMAIN: &str = "bounces.bench.example";
/// It listens within this, also after a kill.
const START_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How the process is started, again and again with the same addresses.
pub struct Served {
    pub data: PathBuf,
    pub smtp: SocketAddr,
    pub http: SocketAddr,
    database: Option<String>,
    child: Option<Child>,
}

impl Served {
    /// `database`: a PostgreSQL URL; else SQLite in the folder.
    ///
    /// # Errors
    /// No free port, or the process does not start.
    pub async fn start(data: &Path, database: Option<&str>) -> anyhow::Result<Self> {
        Self::start_at(data, database, free_address()?).await
    }

    /// With the intake at this address.
    ///
    /// # Errors
    /// As [`Served::start`].
    pub async fn start_at(data: &Path, database: Option<&str>, smtp: SocketAddr) -> anyhow::Result<Self> {
        let mut served = Self {
            data: data.to_owned(),
            smtp,
            http: free_address()?,
            database: database.map(str::to_owned),
            child: None,
        };
        served.start_again().await?;
        Ok(served)
    }

    /// The database that it works on.
    pub fn database_url(data: &Path, database: Option<&str>) -> String {
        database.map_or_else(|| data.join("tidings.sqlite3").to_string_lossy().into_owned(), str::to_owned)
    }

    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file()).context("the log of the process")?;
        let child = Command::new(std::env::current_exe().context("where this program lies")?)
            .arg("serve")
            .env("TIDINGS_DATA_DIR", &self.data)
            .env("DATABASE_URL", Self::database_url(&self.data, self.database.as_deref()))
            .env_remove("REDIS_URL")
            .env("TIDINGS_LISTEN", self.http.to_string())
            .env("TIDINGS_INTAKE_LISTEN", self.smtp.to_string())
            .env("TIDINGS_BOUNCE_DOMAIN", BOUNCE_DOMAIN)
            // Posts come as if from many people.
            .env("TIDINGS_TRUSTED_PROXIES", "127.0.0.1")
            .env("TIDINGS_LOG", "warn")
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting a process")?;
        self.child = Some(child);
        self.wait_until_it_listens().await
    }

    async fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(self.smtp).await.is_err() || TcpStream::connect(self.http).await.is_err() {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                anyhow::bail!("the process ended at its start ({status}): {}", self.log()?);
            }
            ensure!(began.elapsed() < START_WITHIN, "the process does not listen: {}", self.log()?);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        match &mut self.child {
            Some(child) => child.kill().await.context("killing the process"),
            None => Ok(()),
        }
    }

    /// The most memory that it held, in MiB.
    pub fn peak_memory_mib(&self) -> anyhow::Result<f64> {
        let id = self.child.as_ref().and_then(Child::id).context("the process has ended")?;
        super::process::peak_memory_of(&id.to_string())
    }

    /// What it warned of.
    pub fn log(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.log_file()).context("the log of the process")
    }

    fn log_file(&self) -> PathBuf {
        self.data.join("serve.log")
    }
}

/// The listener is gone when the process starts; nobody else takes a port of the ephemeral range so soon again.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
    listener.local_addr().context("a free port")
}
