use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::client::Client;
use super::names::quoted;
use super::response::{Response, Status, capabilities};
use crate::mailbox::error::said_without;
use crate::mailbox::{Account, MailboxError, MailboxReader, Security};

/// A connection that is logged in, and what its server can do.
pub(super) struct LoggedIn {
    pub client: Client,
    capabilities: Vec<String>,
}

impl LoggedIn {
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }
}

pub(super) async fn log_in(reader: &MailboxReader, account: &Account) -> Result<LoggedIn, MailboxError> {
    let mut client = Client::new(reader.connect(account).await?);
    let is_logged_in = greeting(&mut client).await?;
    if account.security == Security::StartTls {
        // A greeting that skips the login can only come from somebody in between (NO STARTTLS, 2021).
        let offers = ask(&mut client).await?.iter().any(|known| known == "STARTTLS");
        if is_logged_in || !offers {
            return Err(MailboxError::NoStartTls);
        }
        client.must("STARTTLS", "STARTTLS", drop).await?;
        client = Client::new(reader.secure(client.wire, account).await?);
    }
    // What a server offers differs before and after TLS, and before and after the login, so it is asked each time.
    if !is_logged_in {
        let offered = ask(&mut client).await?;
        authenticate(&mut client, account, &offered).await?;
    }
    let capabilities = ask(&mut client).await?;
    Ok(LoggedIn { client, capabilities })
}

/// Whether the server has logged us in unasked.
async fn greeting(client: &mut Client) -> Result<bool, MailboxError> {
    const NAME: &str = "the greeting";
    match client.response(NAME).await? {
        Response::Untagged { status: Status::Ok, .. } => Ok(false),
        Response::Untagged { status: Status::PreAuth, .. } => Ok(true),
        Response::Untagged { words, .. } => Err(MailboxError::Refused { command: NAME, reply: words.text }),
        _ => Err(MailboxError::NotUnderstood { command: NAME, detail: "no greeting of an IMAP server".to_owned() }),
    }
}

async fn ask(client: &mut Client) -> Result<Vec<String>, MailboxError> {
    let mut offered = Vec::new();
    client
        .must("CAPABILITY", "CAPABILITY", |response| {
            if let Response::Capability(capabilities) = response {
                offered = capabilities;
            }
        })
        .await?;
    Ok(offered)
}

async fn authenticate(client: &mut Client, account: &Account, offered: &[String]) -> Result<(), MailboxError> {
    let can = |capability: &str| offered.iter().any(|known| known == capability);
    let (user, password) = (&account.user, account.password.reveal());
    let response = STANDARD.encode(format!("\0{user}\0{password}"));
    let ended = if can("AUTH=PLAIN") && can("SASL-IR") {
        client.try_it("AUTHENTICATE", &format!("AUTHENTICATE PLAIN {response}"), None, drop).await?
    } else if can("AUTH=PLAIN") {
        client.try_it("AUTHENTICATE", "AUTHENTICATE PLAIN", Some(&response), drop).await?
    } else if !can("LOGINDISABLED") {
        client.try_it("LOGIN", &format!("LOGIN {} {}", quoted(user), quoted(password)), None, drop).await?
    } else {
        return Err(MailboxError::NoPasswordLogin);
    };
    let reply = || said_without(ended.words.text.as_bytes(), password);
    match (ended.status, ended.words.code.as_deref()) {
        (Status::Ok, _) => Ok(()),
        // RFC 5530 §3: the password was not looked at.
        (_, Some(code)) if capabilities(code).first().is_some_and(|c| c == "UNAVAILABLE" || c == "INUSE") => {
            Err(MailboxError::Refused { command: "the login", reply: reply() })
        }
        (Status::No, _) => Err(MailboxError::WrongPassword { user: user.clone(), reply: reply() }),
        _ => Err(MailboxError::Refused { command: "the login", reply: reply() }),
    }
}
