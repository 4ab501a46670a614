use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Certificate;

/// A Redis server of one test, on a port of its own. Killed with the value.
pub struct TestRedis {
    server: Child,
    port: u16,
    args: Vec<String>,
    folder: TempDir,
}

/// Another process may take the port between our asking and the server's binding it.
const PORT_TRIES: usize = 10;
/// The nodes of a cluster agree within a second or two.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

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

    /// With TLS on a port of its own; the URL that leads there.
    ///
    /// # Panics
    /// No `redis-server`, or one built without TLS.
    #[must_use]
    pub fn with_tls(certificate: &Certificate) -> (Self, String) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, certificate.pem()).expect("written");
        std::fs::write(&key, certificate.key_pem()).expect("written");
        let (cert, key, port) = (cert.to_string_lossy(), key.to_string_lossy(), free_port().to_string());
        let server = Self::start_with(&[
            "--tls-port",
            &port,
            "--tls-cert-file",
            &cert,
            "--tls-key-file",
            &key,
            "--tls-auth-clients",
            "no",
        ]);
        (server, format!("rediss://localhost:{port}"))
    }

    /// Three masters that share the hash slots. One that is killed takes only its own slots along.
    ///
    /// # Panics
    /// No `redis-server` and `redis-cli`, or they do not become a cluster.
    #[must_use]
    pub fn cluster() -> [Self; 3] {
        let nodes = [(), (), ()].map(|()| {
            let bus = free_port().to_string();
            Self::start_with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "2000",
                "--cluster-require-full-coverage",
                "no",
            ])
        });
        let mut create = Command::new("redis-cli");
        create.args(["--cluster-yes", "--cluster", "create"]);
        nodes.iter().for_each(|node| {
            create.arg(format!("127.0.0.1:{}", node.port));
        });
        let made =
            create.output().unwrap_or_else(|e| panic!("redis-cli: {e}. Install it: apt-get install redis-tools"));
        let said = String::from_utf8_lossy(&made.stdout);
        assert!(said.contains("All 16384 slots covered"), "no cluster: {said}");
        nodes.iter().for_each(Self::join);
        nodes
    }

    /// Returns when the node knows that the cluster is whole: they tell each other after the slots are given out.
    fn join(&self) {
        let until = Instant::now() + JOIN_TIMEOUT;
        let mut said = String::new();
        while !said.contains("cluster_state:ok") || !said.contains("cluster_slots_ok:16384") {
            assert!(Instant::now() < until, "the cluster does not become whole: {said}");
            let port = self.port.to_string();
            let info =
                Command::new("redis-cli").args(["-p", &port, "CLUSTER", "INFO"]).output().expect("it ran before");
            said = String::from_utf8_lossy(&info.stdout).into_owned();
        }
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
