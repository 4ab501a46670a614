//! dkimpy and opendkim, which share no code with us or with mail-auth. Both come from Debian's packages.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

/// TXT records by name, without a dot at the end.
pub type Zone = BTreeMap<String, String>;

/// Reads a message; says of each of its signatures whether it is good.
const DKIMPY: &str = r"
import sys, json, dkim
zone = json.loads(sys.argv[1])
def txt(name, timeout=5):
    if isinstance(name, bytes):
        name = name.decode()
    text = zone.get(name.rstrip('.'))
    return text.encode() if text is not None else None
message = sys.stdin.buffer.read()
judge = dkim.DKIM(message)
count = sum(1 for name, _ in judge.headers if name.lower() == b'dkim-signature')
def good(index):
    try:
        return judge.verify(idx=index, dnsfunc=txt)
    except dkim.DKIMException:
        return False
print(json.dumps([good(index) for index in range(count)]))
";

/// Of each signature, whether dkimpy finds it good.
///
/// # Panics
/// It does not run, or says nothing.
#[must_use]
pub fn dkimpy(message: &[u8], zone: &Zone) -> Vec<bool> {
    let zone = serde_json::to_string(zone).expect("JSON");
    // Debian's own interpreter: another one on the path does not have the package.
    let mut judge = Command::new("/usr/bin/python3")
        .args(["-c", DKIMPY, &zone])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    judge.stdin.take().expect("its input").write_all(message).expect("it reads");
    let output = judge.wait_with_output().expect("it ends");
    assert!(output.status.success(), "apt-get install python3-dkim python3-nacl");
    serde_json::from_slice(&output.stdout).expect("a verdict")
}

/// Whether opendkim's filter finds the signatures that it knows (those by RSA) good. It reads the keys from a file.
///
/// # Panics
/// It does not run.
#[must_use]
pub fn opendkim(message: &[u8], zone: &Zone) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, octets: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, octets).expect("a file");
        path
    };
    let keys: String = zone.iter().map(|(name, text)| format!("{name} {text}\n")).collect();
    let keys = file("keys", keys.as_bytes());
    let config = file("opendkim.conf", format!("Mode v\nTestPublicKeys {}\nSyslog no\n", keys.display()).as_bytes());
    let message = file("message", message);
    let judge = Command::new("/usr/sbin/opendkim").arg("-x").arg(config).arg("-t").arg(message).output();
    let judge = judge.expect("apt-get install opendkim");
    let said = [judge.stdout, judge.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("verification"), "it gave no verdict: {said}");
    said.contains("verification (s=r") && said.contains("succeeded")
}
