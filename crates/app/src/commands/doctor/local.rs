//! The machine: the data folder, the disk, the key, the addresses.

use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tidings_domain::UnixMs;
use tidings_web::free_bytes;

use super::Finding;
use crate::config::Config;
use crate::instance::parse_key;

/// With less than this the database refuses writes soon, and sending stops with it.
const TOO_LITTLE_BYTES: u64 = 64 << 20;
const LITTLE_BYTES: u64 = 1 << 30;

pub fn look(config: &Config) -> Vec<Finding> {
    vec![folder(&config.data_dir), disk(&config.data_dir), key(config), listen(config), public_url(config)]
}

fn folder(folder: &Path) -> Finding {
    let name = "data folder";
    let at = folder.display();
    let mend = format!("make it and give it to the user that runs Tidings: install -d -m 700 -o USER {at}");
    let Ok(found) = fs::metadata(folder) else {
        return Finding::warn(name, format!("{at} is not there; the first start makes it"), mend);
    };
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let written = OpenOptions::new().create_new(true).write(true).open(&probe);
    if let Err(error) = written {
        return Finding::fail(name, format!("{at} cannot be written by this user: {error}"), mend);
    }
    if let Err(error) = fs::remove_file(&probe) {
        return Finding::fail(name, format!("files in {at} cannot be removed: {error}"), mend);
    }
    if found.permissions().mode() & 0o007 != 0 {
        return Finding::warn(
            name,
            format!("{at} can be read by every user of this machine"),
            format!("chmod o-rwx {at}"),
        );
    }
    Finding::ok(name, format!("{at} can be written"))
}

fn disk(folder: &Path) -> Finding {
    let name = "disk";
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let mend = "make room, or move the data folder to a larger disk (TIDINGS_DATA_DIR)";
    match free_bytes(there) {
        Ok(free) if free < TOO_LITTLE_BYTES => Finding::fail(name, format!("{} MiB are free", free >> 20), mend),
        Ok(free) if free < LITTLE_BYTES => Finding::warn(name, format!("{} MiB are free", free >> 20), mend),
        Ok(free) => Finding::ok(name, format!("{:.1} GiB are free", free as f64 / f64::from(1 << 30))),
        Err(error) => Finding::warn(name, format!("its free space cannot be read: {error}"), mend),
    }
}

fn key(config: &Config) -> Finding {
    let name = "key";
    let file = config.data_dir.join("instance.key");
    if config.secret_key.is_some() {
        return Finding::ok(name, "from TIDINGS_SECRET_KEY");
    }
    let Ok(text) = fs::read_to_string(&file) else {
        let mend = "the first start makes one. If this installation has run before, restore it from your backup: without it links in mails already sent break";
        return Finding::warn(name, format!("{} is not there", file.display()), mend);
    };
    if parse_key(&text).is_none() {
        let mend = "restore it from your backup: without it links in mails already sent break";
        return Finding::fail(name, format!("{} is damaged", file.display()), mend);
    }
    let is_open = fs::metadata(&file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
    if is_open {
        let words = format!("{} can be read by other users", file.display());
        return Finding::warn(name, words, format!("chmod 600 {}", file.display()));
    }
    Finding::ok(name, format!("{} is whole", file.display()))
}

fn listen(config: &Config) -> Finding {
    let name = "port";
    match TcpListener::bind(config.listen) {
        Ok(_) => Finding::ok(name, format!("{} is free: no web process runs there", config.listen)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::ok(name, format!("{} is in use, as it is while a web process runs", config.listen))
        }
        Err(error) => Finding::fail(
            name,
            format!("cannot listen on {}: {error}", config.listen),
            "choose another address with TIDINGS_LISTEN; ports below 1024 need CAP_NET_BIND_SERVICE",
        ),
    }
}

fn public_url(config: &Config) -> Finding {
    let name = "public URL";
    let url = &config.public_url;
    let host = url.split("://").nth(1).unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    if is_local {
        let mend = "set TIDINGS_PUBLIC_URL to the address that recipients can reach, before the first campaign";
        return Finding::warn(
            name,
            format!("{url}: links in mails would lead every recipient to his own machine"),
            mend,
        );
    }
    if !url.starts_with("https://") {
        let mend = "put a reverse proxy with TLS in front and set TIDINGS_PUBLIC_URL=https://…";
        return Finding::warn(
            name,
            format!("{url}: passwords pass in the clear, and one-click unsubscribe (RFC 8058) needs https"),
            mend,
        );
    }
    Finding::ok(name, url.clone())
}

/// Clocks that differ by more make leases and schedules wrong.
pub const CLOCK_SKEW_MS: i64 = 2 * UnixMs::SECOND;
