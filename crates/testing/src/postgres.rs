use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::redis::free_port;

/// Where Debian lays PostgreSQL's programs, one folder for each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// A cluster of one test writes little: its log of changes must fit beside it on a small disk.
const LONGEST_WAL_MIB: u32 = 128;
/// What fills the disk.
const BALLAST: &str = "ballast";

/// A PostgreSQL cluster of one test, with the durability that PostgreSQL has by default: it may be stopped hard, and its disk filled. Gone
/// with the value.
pub struct TestPostgres {
    programs: PathBuf,
    port: u16,
    data: PathBuf,
    disk: SmallDisk,
    folder: TempDir,
}

impl TestPostgres {
    /// `disk_mib`: the size of the disk that holds it all, so that it can be filled.
    ///
    /// # Panics
    /// No PostgreSQL: says how to install it.
    #[must_use]
    pub fn start(disk_mib: u32) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        open_to_everybody(folder.path());
        let disk = SmallDisk::mount(&folder.path().join("disk"), disk_mib);
        give_to_postgres(disk.path());
        let data = disk.path().join("data");
        let server = Self { programs: programs(), port: free_port(), data, disk, folder };
        server.run("initdb", &["-A", "trust", "-U", "tidings", "-E", "UTF8", "--no-sync"]);
        server.start_again();
        server
    }

    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), self.port)
    }

    /// By way of another address, such as a proxy's.
    #[must_use]
    pub fn url_by(&self, address: SocketAddr) -> String {
        format!("postgres://tidings@{address}/postgres")
    }

    #[must_use]
    pub fn url(&self) -> String {
        self.url_by(self.address())
    }

    /// The disk that it lies on.
    #[must_use]
    pub const fn disk(&self) -> &SmallDisk {
        &self.disk
    }

    /// Stops it without a word to its clients and without a checkpoint: what was committed has to be recovered.
    pub fn crash(&self) {
        // One that ended by itself, on a full disk, is stopped too.
        let _ = self.command("pg_ctl", &["-m", "immediate", "-w", "stop"]).output();
    }

    /// # Panics
    /// It does not start: says what its log says.
    pub fn start_again(&self) {
        let log = self.disk.path().join("log");
        let options = format!(
            "-p {} -k {} -c listen_addresses=127.0.0.1 -c max_connections=300 -c track_commit_timestamp=on \
             -c max_wal_size={LONGEST_WAL_MIB}MB -c min_wal_size=32MB",
            self.port,
            self.disk.path().display()
        );
        let started = self.command("pg_ctl", &["-w", "-l", &log.to_string_lossy(), "-o", &options, "start"]).output();
        let started = started.expect("pg_ctl runs");
        let said = || fs::read_to_string(&log).unwrap_or_default();
        assert!(started.status.success(), "PostgreSQL does not start: {}", said());
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.command("pg_ctl", &["status"]).output().is_ok_and(|done| done.status.success())
    }

    /// From now on nobody comes in without it.
    ///
    /// # Panics
    /// The server does not take it.
    pub fn ask_for_password(&self, password: &str) {
        self.ask(&format!("ALTER ROLE tidings PASSWORD '{password}'")).expect("our own server");
        fs::write(self.data.join("pg_hba.conf"), "host all all 127.0.0.1/32 scram-sha-256\n").expect("its folder");
        self.ask("SELECT pg_reload_conf()").expect("one that comes in");
        // The server is told, and reads its rules when it gets to it.
        while self.ask("SELECT 1").is_ok() {}
    }

    /// What statements return, one line for each row, fields parted by `|`.
    ///
    /// # Errors
    /// What the server or `psql` says.
    pub fn ask(&self, sql: &str) -> Result<Vec<String>, String> {
        let asked = Command::new(self.programs.join("psql"))
            .args([&self.url(), "-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGCONNECT_TIMEOUT", "10")
            .output()
            .map_err(|e| format!("psql: {e}"))?;
        if !asked.status.success() {
            return Err(String::from_utf8_lossy(&asked.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&asked.stdout).lines().map(str::to_owned).collect())
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = self.command(program, arguments).output().expect("PostgreSQL's programs run");
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// PostgreSQL refuses to run as root.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut line = format!("'{}' -D '{}'", self.programs.join(program).display(), self.data.display());
        for argument in arguments {
            let _ = write!(line, " '{argument}'");
        }
        let mut command = Command::new(if is_root() { "su" } else { "sh" });
        if is_root() {
            command.args(["postgres", "-s", "/bin/sh"]);
        }
        command.args(["-c", &line]).current_dir(self.folder.path());
        command
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        self.crash();
    }
}

/// A folder on a disk of its own, which can be filled; or, where disks cannot be mounted, a folder like any other.
pub struct SmallDisk {
    path: PathBuf,
    /// Why it is no disk of its own.
    missing: Option<String>,
}

impl SmallDisk {
    /// # Panics
    /// The folder cannot be made.
    #[must_use]
    pub fn mount(path: &Path, mib: u32) -> Self {
        fs::create_dir_all(path).expect("a folder");
        let size = format!("size={mib}m,mode=0755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output();
        let missing = match mounted {
            Ok(done) if done.status.success() => None,
            Ok(done) => Some(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
            Err(error) => Some(error.to_string()),
        };
        Self { path: path.to_owned(), missing }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it cannot be filled.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        if self.missing.is_none() {
            // It ends with an error: that there is no more room.
            let _ = fs::File::open("/dev/zero").and_then(|mut zero| {
                let mut ballast = fs::File::create(self.path.join(BALLAST))?;
                std::io::copy(&mut zero, &mut ballast)
            });
        }
    }

    pub fn free(&self) {
        // Not there: never filled.
        let _ = fs::remove_file(self.path.join(BALLAST));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.missing.is_none() {
            // Lazily: a process that is still ending may have files open.
            let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        }
    }
}

fn programs() -> PathBuf {
    let found = fs::read_dir(PROGRAMS).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let newest = found.filter(|path| path.join("initdb").exists()).max();
    newest.unwrap_or_else(|| panic!("no PostgreSQL under {PROGRAMS}. Install it: apt-get install postgresql"))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"))
}

fn open_to_everybody(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own folder");
}

fn give_to_postgres(path: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("postgres").arg(path).status();
        assert!(given.is_ok_and(|done| done.success()), "the user postgres comes with PostgreSQL");
    }
}
