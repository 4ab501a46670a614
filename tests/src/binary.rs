//! The real program, started as a user would.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command as Build;
use std::sync::OnceLock;
use std::time::Duration;

use cargo_metadata::MetadataCommand;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::repository::root;

/// The longest that a program may take to say what it should, or to end.
pub const SPEAKS_WITHIN: Duration = Duration::from_secs(60);

/// With a test beside it the program is built of the same dependencies as `cargo test --workspace` builds, not of others once more.
const AMONG_TESTS: &[&str] = &["--workspace", "--bin", "tidings", "--test", "architecture"];
/// As the README builds the harness: with the program beside it, of the same dependencies.
const BESIDE_THE_HARNESS: &[&str] = &["--release", "--workspace", "--bins"];

/// The path of the `tidings` binary, built in the profile of the tests.
///
/// # Panics
/// It cannot be built.
pub fn tidings() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
            let (folder, selected) =
                if cfg!(debug_assertions) { ("debug", AMONG_TESTS) } else { ("release", BESIDE_THE_HARNESS) };
            let mut build = Build::new(cargo);
            build.args(["build", "--quiet"]).args(selected).current_dir(root());
            // What cargo tells a test of itself makes build scripts run again, and what stands on them is built anew.
            for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_a_package(name)) {
                build.env_remove(name);
            }
            let built = build.status();
            assert!(built.expect("cargo runs").success(), "the program cannot be built");
            let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().expect("cargo metadata");
            metadata.target_directory.join(folder).join("tidings").into_std_path_buf()
        })
        .clone()
}

fn is_of_a_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// A command without the developer's own settings.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(tidings());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).kill_on_drop(true);
    command
}

/// Runs the program to its end: whether it succeeded, and all that it said.
///
/// # Panics
/// It cannot be started.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let output = command().args(arguments).envs(environment.iter().copied()).output().await.expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A `tidings serve` on a folder of its own; killed when dropped.
pub struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub url: String,
    /// The one-time link of the first run.
    pub setup_link: Option<String>,
}

impl Server {
    /// # Panics
    /// It does not start.
    pub async fn start(data: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_with(&["serve"], data, environment).await
    }

    /// One of several processes.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_role(role: &str, data: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_with(&[role], data, environment).await
    }

    /// Sends to `tidings sandbox`, whose settings are the environment.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_for_sandbox(data: &Path, environment: &[(&str, &str)], audience: &str) -> Self {
        Self::start_with(&["serve", "--sandbox-audience", audience], data, environment).await
    }

    /// # Panics
    /// It does not start.
    pub async fn start_with(arguments: &[&str], data: &Path, environment: &[(&str, &str)]) -> Self {
        let serves_pages = matches!(arguments.first(), Some(&"serve" | &"web"));
        let fresh = serves_pages && !data.join("tidings.sqlite3").exists();
        let mut child = command()
            .args(arguments)
            .env("TIDINGS_DATA_DIR", data)
            .env("TIDINGS_LISTEN", "127.0.0.1:0")
            .env("TIDINGS_LOG", "warn")
            .envs(environment.iter().copied())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("serve starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let first = next(&mut lines).await.expect("serve says where it is");
        let url = first.split_whitespace().last().expect("an address").to_owned();
        let mut server = Self { child, lines, url, setup_link: None };
        if fresh {
            let line = next(&mut server.lines).await.expect("serve prints the set-up link");
            server.setup_link = line.split_whitespace().last().map(str::to_owned);
        }
        server
    }

    /// SIGTERM, and the exit code.
    ///
    /// # Panics
    /// It does not end.
    pub async fn stop(mut self) -> Option<i32> {
        terminate(&self.child);
        while next(&mut self.lines).await.is_some() {}
        self.child.wait().await.expect("it ended").code()
    }
}

/// Orders one to end, as a service manager does.
///
/// # Panics
/// It has ended.
pub fn terminate(child: &Child) {
    let id = child.id().expect("it runs");
    let sent = Build::new("kill").args(["-TERM", &id.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    tokio::time::timeout(SPEAKS_WITHIN, lines.next_line())
        .await
        .expect("the program speaks in time")
        .expect("readable output")
}
