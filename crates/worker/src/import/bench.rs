use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tidings_domain::ImportState;
use tidings_store::{NewAdmin, Store, StoreOptions};

use crate::import::{FileImport, Importer, finish_import, start_from_file};
use crate::now;

/// An import measured, beside the least that any program could do with the same file.
#[derive(Debug, Clone)]
pub struct ImportBench {
    pub rows: u64,
    pub took: Duration,
    /// CPU time of this process during the import, user and system, where the system tells it.
    pub cpu: Option<Duration>,
    /// The same file into a bare table by the database's own shell, and a unique index on the addresses.
    pub floor: Duration,
    /// Who ran the floor: the shell, or a loop in this process when there is no `sqlite3`.
    pub floor_by: &'static str,
    /// The most memory that this process ever had, in bytes, where the system tells it.
    pub peak_bytes: Option<u64>,
}

impl ImportBench {
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.took.as_secs_f64() / self.floor.as_secs_f64().max(1e-9)
    }
}

impl fmt::Display for ImportBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.rows as f64 / self.took.as_secs_f64().max(1e-9);
        writeln!(f, "rows           {}", self.rows)?;
        writeln!(f, "import         {:.2} s, {rate:.0} rows/s", self.took.as_secs_f64())?;
        if let Some(cpu) = self.cpu {
            writeln!(f, "CPU            {:.2} s", cpu.as_secs_f64())?;
        }
        writeln!(f, "floor          {:.2} s ({})", self.floor.as_secs_f64(), self.floor_by)?;
        writeln!(f, "ratio          {:.2}", self.ratio())?;
        match self.peak_bytes {
            Some(bytes) => write!(f, "peak memory    {} MiB", bytes >> 20),
            None => write!(f, "peak memory    unknown on this system"),
        }
    }
}

/// Imports `rows` made-up people through the same code as an upload, then measures the floor on the same file: into a fresh SQLite
/// database in `folder`, or into a PostgreSQL database that is empty and its own. Leaves its files for who owns the folder to delete.
///
/// # Errors
/// The folder cannot be written, or the import did not end with every row created.
pub async fn bench_import(rows: u64, folder: &Path, server: Option<&str>) -> anyhow::Result<ImportBench> {
    let file = folder.join("people.csv");
    write_people(&file, rows).with_context(|| format!("{} cannot be written", file.display()))?;
    let database = folder.join("bench.sqlite3");
    let store = Store::open(server.unwrap_or(&database.to_string_lossy()), StoreOptions::default()).await?;
    let admin = NewAdmin {
        email: "bench@localhost.test".to_owned(),
        name: "Bench".to_owned(),
        password_hash: String::new(),
        workspace_name: "Bench".to_owned(),
    };
    let (_, workspace) = store.add_admin(admin, now()).await?;
    let list = store.workspace(workspace).create_list("Bench".to_owned(), String::new(), now()).await?;

    let (began, cpu) = (Instant::now(), cpu_time());
    let (consent_source, created_by) = ("bench".to_owned(), "bench".to_owned());
    let wish = FileImport { workspace, list, path: file.clone(), consent_source, created_by };
    let id = start_from_file(&store, wish).await?;
    let import = finish_import(Importer::new(store.clone(), "bench"), &store, id, |_| {}).await?;
    let took = began.elapsed();
    ensure!(import.state == ImportState::Done, "the import ended as {}: {}", import.state, import.error);
    ensure!(u64::try_from(import.counts.created)? == rows, "{} rows, but {:?}", rows, import.counts);
    let cpu = cpu_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    let peak_bytes = peak_bytes();

    let floor_file = folder.join("floor.sqlite3");
    let (floor, floor_by) = match server {
        Some(url) => (psql_floor(&file, url)?, "psql \\copy, then a unique index"),
        None => match shell_floor(&file, &floor_file)? {
            Some(floor) => (floor, "sqlite3 .import, then a unique index"),
            None => (loop_floor(file, floor_file).await?, "no sqlite3 shell here: a bare loop, then a unique index"),
        },
    };
    Ok(ImportBench { rows, took, cpu, floor, floor_by, peak_bytes })
}

/// `email,first,last,city,plan`: addresses in no order, every one different.
fn write_people(path: &Path, rows: u64) -> io::Result<()> {
    const FIRST: [&str; 8] = ["Ana", "Bo", "Chidi", "Dana", "Eero", "Fatima", "Goro", "Hana"];
    const LAST: [&str; 6] = ["Silva", "Okafor", "Sato", "Virtanen", "Smith", "Garcia"];
    const CITY: [&str; 6] = ["Oslo", "Lagos", "Lima", "Kyoto", "Porto", "Gent"];
    const DOMAIN: [&str; 5] = ["gmail.example", "outlook.example", "yahoo.example", "acme.example", "mail.example"];
    const PLAN: [&str; 3] = ["free", "pro", "team"];
    fn pick<'a>(words: &[&'a str], n: u64) -> &'a str {
        words[(n % words.len() as u64) as usize]
    }
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "email,first,last,city,plan")?;
    for i in 0..rows {
        // A mixing step, so that neighbours in the file are no neighbours in the index.
        let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let (first, last) = (pick(&FIRST, mixed), pick(&LAST, mixed >> 3));
        let (city, domain, plan) = (pick(&CITY, mixed >> 6), pick(&DOMAIN, mixed >> 9), pick(&PLAN, mixed >> 12));
        let (f, l) = (first.to_lowercase(), last.to_lowercase());
        writeln!(file, "{f}.{l}{i}@{domain},{first},{last},{city},{plan}")?;
    }
    file.into_inner()?.sync_all()
}

/// Nothing when the machine has no `sqlite3`.
fn shell_floor(file: &Path, database: &Path) -> anyhow::Result<Option<Duration>> {
    let began = Instant::now();
    let import = format!(".import '{}' people", file.display());
    let run = Command::new("sqlite3")
        .arg(database)
        .args([".mode csv", &import, "CREATE UNIQUE INDEX people_by_email ON people (email)"])
        .stdin(Stdio::null())
        .output();
    match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        Ok(output) => {
            ensure!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
            Ok(Some(began.elapsed()))
        }
    }
}

fn psql_floor(file: &Path, url: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let copy = format!("\\copy people_floor FROM '{}' CSV HEADER", file.display());
    let output = Command::new("psql")
        .args([url, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"])
        .args(["-c", "CREATE TABLE people_floor (email TEXT, first TEXT, last TEXT, city TEXT, plan TEXT)"])
        .args(["-c", &copy, "-c", "CREATE UNIQUE INDEX people_floor_by_email ON people_floor (email)"])
        .stdin(Stdio::null())
        .output()
        .context("the floor is measured with psql: install postgresql-client")?;
    ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    Ok(began.elapsed())
}

async fn loop_floor(file: PathBuf, database: PathBuf) -> anyhow::Result<Duration> {
    let began = Instant::now();
    tokio::task::spawn_blocking(move || tidings_store::bare_load(&file, &database)).await??;
    Ok(began.elapsed())
}

/// Linux only.
fn cpu_time() -> Option<Duration> {
    /// The kernel's unit of times in /proc, the same on every Linux: USER_HZ.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may contain anything, but it ends with the last parenthesis; user time is the 12th field after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

/// Linux only.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
