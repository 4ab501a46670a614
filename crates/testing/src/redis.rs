use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A Redis server of one test, on a port of its own. Killed with the value.
pub struct TestRedis {
    server: Child,
    port: u16,
    args: Vec<String>,
    folder: TempDir,
}

/// Another process may take the port between our asking and the server's binding it.
const PORT_TRIES: usize = 10;

impl TestRedis {
    /// # Panics
    /// No `redis-server`: says how to install it.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more of what may stand on the server's command line, such as `["--requirepass", "secret"]`.
    ///
    /// # Panics
    /// No `redis-server`, or it refuses these arguments.
    #[must_use]
    pub fn start_with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        for _ in 0..PORT_TRIES {
            let port = free_port();
            if let Some(server) = launch(port, &args, &folder) {
                return Self { server, port, args, folder };
            }
        }
        panic!("redis-server does not start with {args:?}: is it 7.0 or later? (apt-get install redis-server)")
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The server's process, for signals.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Kills the server. Its data is lost: it saves nothing.
    pub fn kill(&mut self) {
        // Already gone is as good.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Starts it again on the same port, empty.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&mut self) {
        self.server = launch(self.port, &self.args, &self.folder).expect("the port is still ours");
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Ready to accept connections, or `None` if it ended before.
fn launch(port: u16, args: &[String], folder: &TempDir) -> Option<Child> {
    let mut server = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string(), "--dir"])
        .arg(folder.path())
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("redis-server: {error}. Install it: apt-get install redis-server"));
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("eady to accept connections"));
    if ready {
        // A full pipe would stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        return Some(server);
    }
    let _ = server.wait();
    None
}
