//! Mailboxes as they are written in the configuration.

use anyhow::{Context, bail, ensure};
use percent_encoding::percent_decode_str;
use tidings_intake::mailbox::{Account, After, MailboxConfig, Password, Place, Security};
use url::Url;

/// What the message of an error shows for right.
const EXAMPLE: &str = "imaps://user:password@mail.example.com/INBOX?after=delete";

/// Reads `imaps://user:password@host[:port]/folder?after=delete|keep|FOLDER`; also `imap` and `pop3` with STARTTLS, `pop3s`,
/// `imap+plain` and `pop3+plain` for a server on the same machine, and `maildir:///path`. What stands in a password but letters
/// and digits is percent-encoded, as in every URL.
///
/// # Errors
/// What is wrong with it. The text itself is never repeated: it holds a password.
pub fn parse(text: &str) -> anyhow::Result<MailboxConfig> {
    let url = Url::parse(text.trim()).with_context(|| format!("a mailbox is not a URL such as {EXAMPLE}"))?;
    let (protocol, security) = match url.scheme() {
        "imaps" => ("imap", Security::Tls),
        "imap" => ("imap", Security::StartTls),
        "imap+plain" => ("imap", Security::Plaintext),
        "pop3s" => ("pop3", Security::Tls),
        "pop3" => ("pop3", Security::StartTls),
        "pop3+plain" => ("pop3", Security::Plaintext),
        "maildir" => return maildir(&url),
        other => bail!(
            "a mailbox's scheme is {other:?}: it must be imaps, imap, pop3s, pop3, imap+plain, pop3+plain or maildir"
        ),
    };
    let account = account(&url, protocol, security)?;
    let folder = decoded(url.path().trim_start_matches('/'))?;
    let folder = if folder.is_empty() { "INBOX".to_owned() } else { folder };
    let name = format!("{}@{}:{}/{folder}", account.user, account.host, account.port);
    let place = if protocol == "imap" { Place::Imap { account, folder } } else { Place::Pop3(account) };
    Ok(MailboxConfig { name, place, after: after(&url)? })
}

fn account(url: &Url, protocol: &str, security: Security) -> anyhow::Result<Account> {
    let host = url.host_str().filter(|host| !host.is_empty()).context("a mailbox names no host")?;
    let user = decoded(url.username())?;
    ensure!(!user.is_empty(), "the mailbox on {host} names no user: write it like {EXAMPLE}");
    let password = decoded(url.password().with_context(|| format!("the mailbox on {host} has no password"))?)?;
    let usual = match (protocol, security) {
        ("imap", Security::Tls) => 993,
        ("imap", _) => 143,
        (_, Security::Tls) => 995,
        _ => 110,
    };
    let port = url.port().unwrap_or(usual);
    Ok(Account { host: host.to_owned(), port, security, user, password: Password::new(password) })
}

fn maildir(url: &Url) -> anyhow::Result<MailboxConfig> {
    let path = decoded(url.path())?;
    ensure!(path.len() > 1, "a Maildir is written with its whole path: maildir:///var/mail/bounces");
    Ok(MailboxConfig { name: path.clone(), place: Place::Maildir(path.into()), after: after(url)? })
}

/// Deleting is the default: a mailbox that nobody empties grows full, and then its bounces bounce.
fn after(url: &Url) -> anyhow::Result<After> {
    let mut after = After::Delete;
    for (key, value) in url.query_pairs() {
        ensure!(
            key == "after",
            "a mailbox has the parameter {key:?}: only after=delete, after=keep or after=FOLDER is known"
        );
        after = match value.as_ref() {
            "delete" => After::Delete,
            "keep" => After::Keep,
            folder => After::MoveTo(folder.to_owned()),
        };
    }
    Ok(after)
}

fn decoded(text: &str) -> anyhow::Result<String> {
    let text = percent_decode_str(text).decode_utf8().context("a mailbox's user, password or folder is not UTF-8")?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        let imap = parse("imaps://bounces%40x.example:p%3Aw%2F@mail.x.example/Bounces?after=Done").expect("good");
        let Place::Imap { account, folder } = imap.place else { panic!("imap") };
        assert_eq!((account.user.as_str(), account.port, folder.as_str()), ("bounces@x.example", 993, "Bounces"));
        assert_eq!((imap.after, account.security), (After::MoveTo("Done".to_owned()), Security::Tls));
        assert_eq!(imap.name, "bounces@x.example@mail.x.example:993/Bounces");
        let pop = parse("pop3://ana:secret@localhost:1110").expect("good");
        assert!(matches!(pop.place, Place::Pop3(Account { port: 1110, security: Security::StartTls, .. })));
        assert_eq!(pop.after, After::Delete);
        let dir = parse("maildir:///var/mail/bounces?after=keep").expect("good");
        assert!(matches!(dir.place, Place::Maildir(path) if path.as_os_str() == "/var/mail/bounces"));
    }

    #[test]
    fn faults_are_named_and_passwords_are_not() {
        for wrong in [
            "secret",
            "smtp://ana:secret@x.example",
            "imaps://x.example/secret",
            "imaps://ana@x.example",
            "maildir:",
            "imaps://ana:secret@x.example/?before=secret2",
        ] {
            let said = format!("{:#}", parse(wrong).expect_err(wrong));
            assert!(!said.contains(":secret"), "{said}");
        }
        let shown = format!("{:?}", parse("imaps://ana:secret@x.example").expect("good"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
