//! A real Dovecot on loopback, with TLS, whose user's mails lie in a Maildir of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidings_testing::Certificate;

pub const PASSWORD: &str = "s3cret w\u{f6}rd \"\\";
/// Another process may take a port between our asking and the server's binding it.
const START_TRIES: usize = 5;
const START_TIMEOUT: Duration = Duration::from_secs(20);

pub struct Dovecot {
    server: Child,
    pub ports: Ports,
    folder: TempDir,
}

#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub imap: u16,
    pub imaps: u16,
    pub pop3: u16,
    pub pop3s: u16,
}

impl Dovecot {
    pub fn start(certificate: &Certificate) -> Self {
        (0..START_TRIES)
            .find_map(|_| Self::try_start(certificate))
            .expect("Dovecot 2.3 starts (apt-get install dovecot-imapd dovecot-pop3d)")
    }

    fn try_start(certificate: &Certificate) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports { imap: free_port(), imaps: free_port(), pop3: free_port(), pop3s: free_port() };
        fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), certificate.key_pem()).unwrap();
        for mailbox in ["new", "cur", "tmp", ".Gel&APY-scht/cur", ".Gel&APY-scht/new", ".Gel&APY-scht/tmp"] {
            fs::create_dir_all(folder.path().join("mail").join(mailbox)).unwrap();
        }
        fs::write(folder.path().join("users"), format!("bounces:{{PLAIN}}{PASSWORD}\n")).unwrap();
        fs::write(folder.path().join("dovecot.conf"), settings(folder.path(), ports)).unwrap();
        // The server's own processes give up root; they must still reach their files.
        run("chmod", &["-R", "a+rX", text(folder.path())]);
        if is_root() {
            run("chown", &["-R", "nobody", text(&folder.path().join("mail"))]);
        }
        let program = if Path::new("/usr/sbin/dovecot").exists() { "/usr/sbin/dovecot" } else { "dovecot" };
        let server = Command::new(program)
            .args(["-F", "-c", text(&folder.path().join("dovecot.conf"))])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}. Install it: apt-get install dovecot-imapd dovecot-pop3d"));
        let mut dovecot = Self { server, ports, folder };
        dovecot.is_up().then_some(dovecot)
    }

    /// Waits until it takes connections, or has ended.
    fn is_up(&mut self) -> bool {
        let until = Instant::now() + START_TIMEOUT;
        while self.server.try_wait().unwrap().is_none() && Instant::now() < until {
            let all = [self.ports.imap, self.ports.imaps, self.ports.pop3, self.ports.pop3s];
            let wait = Duration::from_millis(20);
            if all.iter().all(|port| {
                std::net::TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, *port)), wait).is_ok()
            }) {
                return true;
            }
            std::thread::park_timeout(wait);
        }
        eprintln!("{}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        false
    }

    /// Puts a mail into the mailbox.
    pub fn deliver(&self, name: &str, mail: &str) {
        let path = self.mail().join("tmp").join(name);
        fs::write(&path, mail).unwrap();
        run("chmod", &["a+r", text(&path)]);
        if is_root() {
            run("chown", &["nobody", text(&path)]);
        }
        fs::rename(&path, self.mail().join("new").join(name)).unwrap();
    }

    /// How many mails lie in the mailbox, and how many in the other folder.
    pub fn count(&self) -> [usize; 2] {
        ["", ".Gel&APY-scht"].map(|folder| {
            let count = |sub: &str| fs::read_dir(self.mail().join(folder).join(sub)).unwrap().count();
            count("new") + count("cur")
        })
    }

    fn mail(&self) -> PathBuf {
        self.folder.path().join("mail")
    }
}

impl Drop for Dovecot {
    /// Asks the master to end, which ends its children too.
    fn drop(&mut self) {
        let _killed = Command::new("kill").arg(self.server.id().to_string()).status();
        let _ended = self.server.wait();
    }
}

fn settings(folder: &Path, ports: Ports) -> String {
    let folder = folder.display();
    let (login, internal, mail) = if is_root() {
        ("dovenull".to_owned(), "dovecot".to_owned(), "nobody".to_owned())
    } else {
        let me = run("id", &["-un"]);
        (me.clone(), me.clone(), me)
    };
    let group = run("id", &["-gn", &internal]);
    let Ports { imap, imaps, pop3, pop3s } = ports;
    format!(
        "base_dir = {folder}/run\nlog_path = {folder}/log\nlisten = 127.0.0.1\nprotocols = imap pop3\n\
         default_login_user = {login}\ndefault_internal_user = {internal}\ndefault_internal_group = {group}\n\
         ssl = yes\nssl_cert = <{folder}/cert.pem\nssl_key = <{folder}/key.pem\ndisable_plaintext_auth = no\n\
         mail_location = maildir:{folder}/mail\nfirst_valid_uid = 1\nlast_valid_uid = 0\nfirst_valid_gid = 1\n\
         passdb {{\n driver = passwd-file\n args = scheme=PLAIN username_format=%u {folder}/users\n}}\n\
         userdb {{\n driver = static\n args = uid={mail} gid={gid} home={folder}/mail\n}}\n\
         namespace inbox {{\n inbox = yes\n}}\n\
         service imap-login {{\n chroot =\n inet_listener imap {{\n port = {imap}\n }}\n inet_listener imaps {{\n port = {imaps}\n ssl = yes\n }}\n}}\n\
         service pop3-login {{\n chroot =\n inet_listener pop3 {{\n port = {pop3}\n }}\n inet_listener pop3s {{\n port = {pop3s}\n ssl = yes\n }}\n}}\n\
         auth_failure_delay = 0\n\
         service anvil {{\n chroot =\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\nservice stats {{\n chroot =\n}}\n",
        gid = run("id", &["-g", &mail]),
    )
}

fn is_root() -> bool {
    run("id", &["-u"]) == "0"
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
