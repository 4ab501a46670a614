//! Postfix and opendkim from Debian's packages, in folders of their own: how fast they pass the same messages to the same kind of sink.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tidings_delivery::TlsPolicy;
use tidings_sandbox::FastSink;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::send::bare_loop;

/// Sessions that hand messages to it; more do not make it faster.
const SESSIONS: u32 = 30;
const LISTENS_WITHIN: Duration = Duration::from_secs(30);
const SENDS_WITHIN: Duration = Duration::from_secs(1_800);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const DAEMONS: &str = "/usr/lib/postfix/sbin";

pub struct Plan {
    pub messages: u32,
    pub signs: bool,
    pub tls: bool,
}

/// From the first message handed over to the last one at the sink.
pub async fn send(plan: &Plan, message: &[u8]) -> anyhow::Result<Duration> {
    let sink = if plan.tls { FastSink::start_with_tls(None).await? } else { FastSink::start(None).await? };
    let servers = Servers::start(plan, sink.address()).await?;
    let began = Instant::now();
    let mut tasks = Vec::new();
    for index in 0..SESSIONS {
        let share = plan.messages / SESSIONS + u32::from(index < plan.messages % SESSIONS);
        let (message, address) = (message.to_vec(), servers.postfix);
        tasks.push(tokio::spawn(async move { bare_loop(address, share, &message, TlsPolicy::None).await }));
    }
    for task in tasks {
        task.await??;
    }
    while sink.accepted() < u64::from(plan.messages) {
        ensure!(began.elapsed() < SENDS_WITHIN, "Postfix sent only {} messages", sink.accepted());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(began.elapsed())
}

/// Both servers; ended when dropped.
struct Servers {
    postfix: SocketAddr,
    folder: TempDir,
    _children: Vec<Child>,
}

impl Servers {
    async fn start(plan: &Plan, sink: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        // Their own users have to reach it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let (postfix, milter) = (free_address()?, free_address()?);
        let mut children = Vec::new();
        if plan.signs {
            children.push(start_opendkim(folder.path(), milter).await?);
            wait_for(milter, "opendkim").await?;
        }
        children.push(start_postfix(folder.path(), plan, (postfix, milter, sink)).await?);
        let servers = Self { postfix, folder, _children: children };
        wait_for(postfix, "Postfix").await?;
        Ok(servers)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // What was started is not its master, which writes down its own number.
        let master = std::fs::read_to_string(self.folder.path().join("queue/pid/master.pid")).unwrap_or_default();
        let ended = std::process::Command::new("kill").arg(master.trim()).stderr(Stdio::null()).status();
        if !ended.is_ok_and(|status| status.success()) {
            tracing::warn!("Postfix's master may still run");
        }
    }
}

async fn start_opendkim(root: &Path, at: SocketAddr) -> anyhow::Result<Child> {
    let key = root.join("dkim.pem");
    let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output().await;
    ensure!(made.context("openssl is missing")?.status.success(), "openssl made no key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    let config = root.join("opendkim.conf");
    let text = format!(
        "Domain sender.example\nSelector bench\nKeyFile {}\nSocket inet:{}@127.0.0.1\nMode s\nCanonicalization relaxed/relaxed\n\
         SignatureAlgorithm rsa-sha256\nInternalHosts 127.0.0.1\nBackground no\nSyslog no\nRequireSafeKeys no\n",
        key.display(),
        at.port()
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new("opendkim");
    command.arg("-f").arg("-x").arg(&config).kill_on_drop(true).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("opendkim is missing: apt-get install opendkim")
}

async fn start_postfix(
    root: &Path,
    plan: &Plan,
    (at, milter, sink): (SocketAddr, SocketAddr, SocketAddr),
) -> anyhow::Result<Child> {
    ensure!(Path::new(DAEMONS).join("master").exists(), "Postfix is missing: apt-get install postfix");
    let [config, queue, data] = ["config", "queue", "data"].map(|name| root.join(name));
    for folder in [&config, &queue, &data] {
        std::fs::create_dir(folder)?;
    }
    let milters =
        if plan.signs { format!("smtpd_milters = inet:127.0.0.1:{}\n", milter.port()) } else { String::new() };
    let tls = if plan.tls { "may" } else { "none" };
    let main = format!(
        "compatibility_level = 3.6\nconfig_directory = {c}\nqueue_directory = {q}\ndata_directory = {d}\n\
         command_directory = /usr/sbin\ndaemon_directory = {DAEMONS}\nmail_owner = postfix\nsetgid_group = postdrop\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = peer.example\nmydestination =\n\
         alias_maps =\nalias_database =\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
         relayhost = [{ip}]:{port}\nsmtp_tls_security_level = {tls}\nsmtp_dns_support_level = disabled\nbiff = no\n\
         default_destination_concurrency_limit = 50\nmaillog_file = {root}/mail.log\n\
         maillog_file_prefixes = {root}\n{milters}",
        c = config.display(),
        q = queue.display(),
        d = data.display(),
        ip = sink.ip(),
        port = sink.port(),
        root = root.display(),
    );
    std::fs::write(config.join("main.cf"), main)?;
    std::fs::write(config.join("master.cf"), services(at.port()))?;
    chown(&data, Some(user_id("postfix")?), None).context("giving Postfix its folder: this needs root")?;
    let checked = Command::new("/usr/sbin/postfix").arg("-c").arg(&config).arg("check").output().await?;
    ensure!(checked.status.success(), "postfix check: {}", String::from_utf8_lossy(&checked.stderr));
    let mut command = Command::new("/usr/sbin/postfix");
    command.arg("-c").arg(&config).arg("start-fg").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("starting Postfix")
}

/// What `master` runs: no more than taking and passing on needs.
fn services(port: u16) -> String {
    format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n\
         pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\n\
         relay unix - - n - - smtp\nerror unix - - n - - error\nretry unix - - n - - error\n\
         discard unix - - n - - discard\nanvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
         flush unix n - n 1000 0 flush\nshowq unix n - n - - showq\nscache unix - - n - 1 scache\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

async fn wait_for(address: SocketAddr, name: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        ensure!(began.elapsed() < LISTENS_WITHIN, "{name} does not listen");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
    listener.local_addr().context("a free port")
}

fn user_id(name: &str) -> anyhow::Result<u32> {
    let users = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    let line = users.lines().find(|line| line.split(':').next() == Some(name));
    let id = line.and_then(|line| line.split(':').nth(2)).with_context(|| format!("there is no user {name}"))?;
    id.parse().context("a user's number")
}
