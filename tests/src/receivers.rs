//! Real mail servers from Debian's packages that keep what they take, each message as a file: independent judges of what we put on the wire.

use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tidings_testing::Certificate;

use crate::greylisting;
use crate::mail_servers::{
    DOMAIN, MailServer, find, folder, free_address, make, needs_root, postfix_services, user_id, write,
};

/// A message larger than this is refused, in octets.
pub const LARGEST_MESSAGE_OCTETS: usize = 200_000;
/// Connections that a strict Postfix or Exim takes of one client at one time.
pub const STRICT_CONNECTIONS: usize = 2;
/// Messages that a strict OpenSMTPD takes on one connection.
pub const STRICT_MESSAGES: usize = 3;
/// Older ones fail every handshake with OpenSSL 3 (their issue 1171), and are spoken to in plain text.
const OPENSMTPD_WITH_TLS: u32 = 7;
/// Who the files belong to.
const KEEPER: &str = "nobody";
/// What a receiver puts in front of a message when it delivers it.
const TRACE_FIELDS: [&str; 7] =
    ["return-path", "delivered-to", "x-original-to", "received", "envelope-to", "delivery-date", "x-kept-for"];
/// From the 250 to the file.
const DELIVERS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a receiver asks of who sends to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    Easy,
    Strict,
}

/// A receiver of [`DOMAIN`]: takes mail for everybody there but `reject…`, who does not exist.
pub struct Receiver {
    pub name: &'static str,
    /// Offers STARTTLS, with a certificate that nobody can check.
    pub has_tls: bool,
    server: MailServer,
    kept: PathBuf,
}

/// A message as it was taken, with CRLF again, and without what the receiver put in front.
pub type Kept = Vec<u8>;

impl Receiver {
    /// # Panics
    /// One is missing, the user is not root, or one does not start: with the command that helps.
    #[must_use]
    pub fn each() -> Vec<Self> {
        Self::all(Manners::Easy)
    }

    /// They greylist, and take [`STRICT_CONNECTIONS`] at once or [`STRICT_MESSAGES`] on each.
    ///
    /// # Panics
    /// As [`Receiver::each`].
    #[must_use]
    pub fn each_strict() -> Vec<Self> {
        Self::all(Manners::Strict)
    }

    fn all(manners: Manners) -> Vec<Self> {
        vec![Self::postfix(manners), Self::exim(manners), Self::opensmtpd(manners)]
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What it said, for a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    fn postfix(manners: Manners) -> Self {
        needs_root("Postfix");
        let daemons = find("/usr/lib/postfix/sbin/master", "apt-get install postfix");
        let folder = folder();
        let (root, address) = (folder.path(), free_address());
        let [config, queue, data, kept] = ["config", "queue", "data", "kept"].map(|name| make(root, name));
        let sbin = daemons.parent().expect("a folder").display().to_string();
        let (certificate, key) = certificate(root);
        let keeper = user_id(KEEPER);
        let (policy, limits) = match manners {
            Manners::Easy => (String::new(), String::new()),
            Manners::Strict => (
                format!(", check_policy_service inet:{}", greylisting::postfix_policy()),
                format!(
                    "smtpd_client_connection_count_limit = {STRICT_CONNECTIONS}\nsmtpd_client_event_limit_exceptions =\n"
                ),
            ),
        };
        let main = format!(
            "compatibility_level = 3.6\nconfig_directory = {c}\nqueue_directory = {q}\ndata_directory = {d}\n\
             command_directory = /usr/sbin\ndaemon_directory = {sbin}\nmail_owner = postfix\nsetgid_group = postdrop\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mx.{DOMAIN}\nmydestination =\n\
             virtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_base = {k}\nvirtual_mailbox_maps = static:all/\n\
             virtual_uid_maps = static:{keeper}\nvirtual_gid_maps = static:{keeper}\nvirtual_minimum_uid = 1\n\
             alias_maps =\nalias_database =\nmynetworks =\nsmtpd_relay_restrictions = permit_auth_destination, reject\n\
             smtpd_recipient_restrictions = check_recipient_access regexp:{{{{/^reject/ 550 5.1.1 No such user}}}}{policy}\n\
             smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\n\
             message_size_limit = {LARGEST_MESSAGE_OCTETS}\nsmtp_dns_support_level = disabled\nsmtpd_peername_lookup = no\n\
             biff = no\nmaillog_file = /dev/stdout\nsmtputf8_enable = yes\n{limits}",
            c = config.display(),
            q = queue.display(),
            d = data.display(),
            k = kept.display(),
            cert = certificate.display(),
            key = key.display(),
        );
        write(&config.join("main.cf"), &main);
        let services = postfix_services(address.port());
        write(
            &config.join("master.cf"),
            &format!("{services}virtual unix - n n - - virtual\ntlsmgr unix - - n 1000? 1 tlsmgr\n"),
        );
        chown(&data, Some(user_id("postfix")), None).expect("the data folder's owner");
        chown(&queue, Some(0), None).expect("the queue's owner");
        chown(&kept, Some(keeper), None).expect("the kept mails' owner");
        let checked =
            Command::new("/usr/sbin/postfix").arg("-c").arg(&config).arg("check").output().expect("postfix runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let mut start = Command::new("/usr/sbin/postfix");
        start.arg("-c").arg(&config).arg("start-fg");
        Self { name: "Postfix", has_tls: true, server: MailServer::start(start, address, folder), kept }
    }

    fn exim(manners: Manners) -> Self {
        needs_root("Exim");
        let unpacked = std::env::var_os("TIDINGS_TEST_EXIM").unwrap_or_else(|| "/usr/sbin/exim4".into());
        let program = find(
            &unpacked.to_string_lossy(),
            "tests/run, which unpacks the package exim4-daemon-light beside Postfix and sets TIDINGS_TEST_EXIM",
        );
        let folder = folder();
        let (root, address) = (folder.path(), free_address());
        let [spool, kept] = ["spool", "kept"].map(|name| make(root, name));
        for own in [&spool, &kept] {
            chown(own, Some(user_id("Debian-exim")), None).expect("its owner");
        }
        let (certificate, key) = certificate(root);
        chown(&key, Some(user_id("Debian-exim")), None).expect("the key's owner");
        let (greylisting, limits) = match manners {
            Manners::Easy => ("", String::new()),
            Manners::Strict => (
                "  defer !ratelimit = 1.5 / 1h / strict / $local_part\n    message = 4.7.1 Greylisted, please try again later\n",
                format!("smtp_accept_max_per_host = {STRICT_CONNECTIONS}\n"),
            ),
        };
        let config = format!(
            "exim_path = {exim}\nexim_user = Debian-exim\nexim_group = Debian-exim\nprimary_hostname = mx.{DOMAIN}\n\
             spool_directory = {s}\nlog_file_path = {s}/%s.log\npid_file_path = {s}/exim.pid\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {port}\ntls_advertise_hosts = *\n\
             tls_certificate = {cert}\ntls_privatekey = {key}\nhost_lookup =\nsmtputf8_advertise_hosts = *\n\
             message_size_limit = {LARGEST_MESSAGE_OCTETS}\nkeep_environment =\nnever_users =\nacl_smtp_rcpt = rcpt\n\
             allow_utf8_domains = true\n{limits}\
             begin acl\nrcpt:\n  deny local_parts = ^reject\n    message = 5.1.1 No such user\n\
             {greylisting}\x20 accept domains = {DOMAIN}\n  deny\n\
             begin routers\nall:\n  driver = accept\n  transport = keep\n\
             begin transports\nkeep:\n  driver = appendfile\n  directory = {k}/all\n  maildir_format\n\
             \x20 create_directory\n  user = Debian-exim\n\
             begin retry\n* * F,1h,10s\n",
            exim = program.display(),
            s = spool.display(),
            port = address.port(),
            cert = certificate.display(),
            key = key.display(),
            k = kept.display(),
        );
        let file = root.join("exim.conf");
        write(&file, &config);
        let mut start = Command::new(program);
        start.arg("-C").arg(&file).args(["-bdf", "-q5s"]);
        Self { name: "Exim", has_tls: true, server: MailServer::start(start, address, folder), kept }
    }

    /// Its paths are compiled in, so it runs in a mount namespace of its own, where they lead into the test's folder.
    fn opensmtpd(manners: Manners) -> Self {
        needs_root("OpenSMTPD");
        let unpacked = std::env::var_os("TIDINGS_TEST_OPENSMTPD").unwrap_or_else(|| "/".into());
        let unpacked = Path::new(&unpacked);
        let program = find(
            &unpacked.join("usr/sbin/smtpd").to_string_lossy(),
            "tests/run, which unpacks the package opensmtpd beside Postfix and sets TIDINGS_TEST_OPENSMTPD",
        );
        let has_tls = major_version(&program) >= OPENSMTPD_WITH_TLS;
        let folder = folder();
        let (root, address) = (folder.path(), free_address());
        let kept = make(root, "kept");
        let (certificate, key) = certificate(root);
        let (pki, listen_tls) = if has_tls {
            let (certificate, key) = (certificate.display(), key.display());
            (format!("pki here cert \"{certificate}\"\npki here key \"{key}\"\n"), "tls pki here")
        } else {
            (String::new(), "")
        };
        chown(&kept, Some(user_id(KEEPER)), None).expect("the kept mails' owner");
        let (filter, filtered) = match manners {
            Manners::Easy => (String::new(), ""),
            Manners::Strict => {
                let program = root.join("greylist.py");
                write(&program, &greylisting::OPENSMTPD_FILTER.replace("SAID", greylisting::SAID));
                let filter = format!("filter \"grey\" proc-exec \"/usr/bin/python3 {}\"", program.display());
                (format!("{filter}\nsmtp limit max-mails {STRICT_MESSAGES}\n"), "filter \"grey\"")
            }
        };
        let config = format!(
            "{pki}{filter}smtp max-message-size \"{LARGEST_MESSAGE_OCTETS}\"\n\
             listen on 127.0.0.1 port {port} {listen_tls} hostname mx.{DOMAIN} no-dsn {filtered}\n\
             action \"keep\" maildir \"{k}/all\" virtual {{ \"@\" = {KEEPER} }}\n\
             match from any for rcpt-to regex \"^reject\" reject\n\
             match from any for domain \"{DOMAIN}\" action \"keep\"\n",
            port = address.port(),
            k = kept.display(),
        );
        let file = root.join("smtpd.conf");
        write(&file, &config);
        let script = format!(
            "set -e\nmount --make-rprivate /\n\
             mount -t tmpfs tmpfs /var/lib\nmkdir -p /var/lib/opensmtpd/empty\n\
             mount -t tmpfs tmpfs /var/spool\nmkdir /var/spool/smtpd\nchmod 711 /var/spool/smtpd\n\
             mount -t tmpfs tmpfs /run\nmount --bind {libexec} /usr/libexec\nexec {program} -d -f {file}\n",
            libexec = unpacked.join("usr/libexec").display(),
            program = program.display(),
            file = file.display(),
        );
        let start_file = root.join("start");
        write(&start_file, &script);
        let mut start = Command::new("unshare");
        start.arg("--mount").arg("sh").arg(&start_file);
        Self { name: "OpenSMTPD", has_tls, server: MailServer::start(start, address, folder), kept }
    }

    /// Everything that it has kept, once there are at least so many.
    ///
    /// # Panics
    /// They do not come.
    #[must_use]
    pub fn kept(&self, at_least: usize) -> Vec<Kept> {
        let began = Instant::now();
        loop {
            let files = self.files();
            if files.len() >= at_least {
                return files.iter().map(|file| without_trace(&std::fs::read(file).expect("a kept mail"))).collect();
            }
            assert!(
                began.elapsed() < DELIVERS_WITHIN,
                "{}: {} of {at_least} came: {}",
                self.name,
                files.len(),
                self.log()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.kept.join("all/new"));
        entries.map(|found| found.filter_map(|entry| Some(entry.ok()?.path())).collect()).unwrap_or_default()
    }
}

/// Of an OpenSMTPD, which says it above its usage.
fn major_version(smtpd: &Path) -> u32 {
    let said = Command::new(smtpd).arg("-h").output().expect("smtpd runs").stderr;
    let said = String::from_utf8_lossy(&said);
    let version = said.split_once("OpenSMTPD ").and_then(|(_, rest)| rest.split_once('.')).map(|(major, _)| major);
    version.and_then(|major| major.parse().ok()).unwrap_or_else(|| panic!("a version of OpenSMTPD: {said}"))
}

/// A certificate and its key as files.
fn certificate(root: &Path) -> (PathBuf, PathBuf) {
    let made = Certificate::valid(&format!("mx.{DOMAIN}"));
    let (certificate, key) = (root.join("cert.pem"), root.join("key.pem"));
    write(&certificate, made.pem());
    write(&key, made.key_pem());
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("the key's mode");
    (certificate, key)
}

/// A kept mail's lines end in LF alone: that is how a Maildir has them.
fn without_trace(file: &[u8]) -> Kept {
    let mut rest = file;
    while let Some(field) = first_field(rest) {
        let name = field.split(|octet| *octet == b':').next().unwrap_or_default().to_ascii_lowercase();
        if !TRACE_FIELDS.iter().any(|trace| trace.as_bytes() == name) {
            break;
        }
        rest = &rest[field.len()..];
    }
    let mut message = Vec::with_capacity(rest.len() + rest.len() / 40);
    for octet in rest {
        if *octet == b'\n' {
            message.push(b'\r');
        }
        message.push(*octet);
    }
    message
}

/// With its folded lines and their ends.
fn first_field(text: &[u8]) -> Option<&[u8]> {
    let mut end = 0;
    loop {
        let line = text[end..].split_inclusive(|octet| *octet == b'\n').next()?;
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        if end > 0 && !is_folded {
            return Some(&text[..end]);
        }
        if end == 0 && (is_folded || line == b"\n") {
            return None;
        }
        end += line.len();
    }
}
