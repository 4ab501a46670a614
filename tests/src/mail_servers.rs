//! Real mail servers from Debian's packages, each with a configuration, a queue and a port of its own. They take mail for people whom they
//! cannot deliver to, and write their own reports about it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The domain that a server here takes mail for: `gone…` is unknown, `good…` is delivered.
pub const DOMAIN: &str = "receiver.test";
const LISTENS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server; ended when dropped.
pub struct MailServer {
    pub address: SocketAddr,
    child: Child,
    folder: TempDir,
}

/// A free port for the intake, which the servers need to know before it listens.
///
/// # Panics
/// There is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}

impl MailServer {
    /// Postfix, which sends everything that is not for its domain to `intake`.
    ///
    /// # Panics
    /// It is missing, the user is not root, or it does not start: with the command that helps.
    #[must_use]
    pub fn postfix(intake: SocketAddr) -> Self {
        needs_root("Postfix");
        let daemons = find("/usr/lib/postfix/sbin/master", "apt-get install postfix");
        let folder = folder();
        let (root, address) = (folder.path(), free_address());
        let [config, queue, data] = ["config", "queue", "data"].map(|name| make(root, name));
        let sbin = daemons.parent().expect("a folder").display().to_string();
        let main = format!(
            "compatibility_level = 3.6\nconfig_directory = {c}\nqueue_directory = {q}\ndata_directory = {d}\n\
             command_directory = /usr/sbin\ndaemon_directory = {sbin}\nmail_owner = postfix\nsetgid_group = postdrop\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mx.{DOMAIN}\nmydestination = {DOMAIN}\n\
             local_recipient_maps =\nalias_maps =\nalias_database =\nmynetworks =\n\
             smtpd_relay_restrictions = permit_auth_destination, reject\nrelayhost = [{ip}]:{port}\n\
             smtp_tls_security_level = none\nsmtp_dns_support_level = disabled\n\
             biff = no\nmaillog_file = /dev/stdout\nsmtputf8_enable = no\n",
            c = config.display(),
            q = queue.display(),
            d = data.display(),
            ip = intake.ip(),
            port = intake.port(),
        );
        write(&config.join("main.cf"), &format!("{main}{}", good_people()));
        write(&config.join("master.cf"), &postfix_services(address.port()));
        let user = user_id("postfix");
        chown(&data, Some(user), None).expect("the data folder's owner");
        chown(&queue, Some(0), None).expect("the queue's owner");
        let checked =
            Command::new("/usr/sbin/postfix").arg("-c").arg(&config).arg("check").output().expect("postfix runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let mut start = Command::new("/usr/sbin/postfix");
        start.arg("-c").arg(&config).arg("start-fg");
        Self::start(start, address, folder)
    }

    /// Exim, which sends everything that is not for its domain to `intake`.
    ///
    /// # Panics
    /// It is missing, the user is not root, or it does not start: with the command that helps.
    #[must_use]
    pub fn exim(intake: SocketAddr) -> Self {
        needs_root("Exim");
        let unpacked = std::env::var_os("TIDINGS_TEST_EXIM").unwrap_or_else(|| "/usr/sbin/exim4".into());
        let program = find(
            &unpacked.to_string_lossy(),
            "tests/run, which unpacks the package exim4-daemon-light beside Postfix and sets TIDINGS_TEST_EXIM",
        );
        let folder = folder();
        let (root, address) = (folder.path(), free_address());
        let spool = make(root, "spool");
        chown(&spool, Some(user_id("Debian-exim")), None).expect("the spool's owner");
        let config = format!(
            "exim_path = {exim}\nexim_user = Debian-exim\nexim_group = Debian-exim\nprimary_hostname = mx.{DOMAIN}\n\
             spool_directory = {s}\nlog_file_path = {s}/%s.log\npid_file_path = {s}/exim.pid\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {port}\ntls_advertise_hosts =\nhost_lookup =\n\
             keep_environment =\nnever_users =\nacl_smtp_rcpt = rcpt\n\
             begin acl\nrcpt:\n  accept domains = {DOMAIN}\n  deny\n\
             begin routers\nout:\n  driver = manualroute\n  domains = ! {DOMAIN}\n  transport = smtp_out\n\
             \x20 route_list = * {ip}::{intake_port} byname\n  self = send\n\
             gone:\n  driver = redirect\n  allow_fail\n  local_parts = ^gone\n  data = :fail: Unknown user\n\
             good:\n  driver = accept\n  transport = nowhere\n\
             begin transports\nsmtp_out:\n  driver = smtp\n  allow_localhost\n  hosts_try_dane =\n\
             nowhere:\n  driver = appendfile\n  file = /dev/null\n  user = Debian-exim\n\
             begin retry\n* * F,1h,10s\n",
            exim = program.display(),
            s = spool.display(),
            port = address.port(),
            ip = intake.ip(),
            intake_port = intake.port(),
        );
        let file = root.join("exim.conf");
        write(&file, &config);
        let mut start = Command::new(program);
        start.arg("-C").arg(&file).args(["-bdf", "-q2s"]);
        Self::start(start, address, folder)
    }

    pub(crate) fn start(mut command: Command, address: SocketAddr, folder: TempDir) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let errors = log.try_clone().expect("a log");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("the server starts");
        let mut server = Self { address, child, folder };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().expect("its state");
            assert!(ended.is_none() && began.elapsed() < LISTENS_WITHIN, "it does not listen: {}", server.log());
            std::thread::sleep(LOOK_EVERY);
        }
        server
    }

    /// What it said, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = String::new();
        for name in ["log", "spool/main.log", "spool/panic.log"] {
            let said = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let _ = write!(text, "{said}");
        }
        text
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Both end their children on SIGTERM. What starts Postfix is not its master, which writes down its own number.
        let master = std::fs::read_to_string(self.folder.path().join("queue/pid/master.pid")).unwrap_or_default();
        let ids = [master.trim().to_owned(), self.child.id().to_string()];
        let _ = Command::new("kill").args(ids.iter().filter(|id| !id.is_empty())).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// Some people are delivered to, into nothing; all others are unknown.
fn good_people() -> String {
    let people: Vec<String> = (1..=20).map(|n| format!("{{ good{n}@{DOMAIN} = discard: }}")).collect();
    format!("transport_maps = inline:{{ {} }}\n", people.join(", "))
}

/// What `master` runs: no more than taking, delivering and bouncing needs.
pub(crate) fn postfix_services(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\n\
         relay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n\
         discard unix - - n - - discard\nlocal unix - n n - - local\nanvil unix - - n - 1 anvil\n\
         flush unix n - n 1000 0 flush\nshowq unix n - n - - showq\nscache unix - - n - 1 scache\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

pub(crate) fn needs_root(server: &str) {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    assert_eq!(
        String::from_utf8_lossy(&id.stdout).trim(),
        "0",
        "{server} can only be started by root: run tests/run as root"
    );
}

pub(crate) fn find(path: &str, remedy: &str) -> PathBuf {
    assert!(Path::new(path).exists(), "{path} is missing: {remedy}");
    path.into()
}

pub(crate) fn user_id(name: &str) -> u32 {
    let id = Command::new("id").args(["-u", name]).output().expect("id runs");
    String::from_utf8_lossy(&id.stdout).trim().parse().unwrap_or_else(|_| panic!("there is no user {name}"))
}

/// The servers' own users must be able to reach what lies in it.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("its mode");
    folder
}

pub(crate) fn make(root: &Path, name: &str) -> PathBuf {
    let path = root.join(name);
    std::fs::create_dir(&path).expect("a folder");
    path
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}
