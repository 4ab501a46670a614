use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tidings_domain::{Phase, Problem, Reply, ReplyClass};

use super::capabilities::Capabilities;
use super::failure::Failure;
use super::session::Credentials;
use super::wire::Wire;
use super::{Timeouts, handshake::command};

/// Signs in (RFC 4954) by PLAIN, or by LOGIN where only that is offered.
pub(super) async fn sign_in(
    wire: &mut Wire,
    offered: &Capabilities,
    credentials: &Credentials,
    timeouts: &Timeouts,
) -> Result<(), Failure> {
    let Credentials { user, password } = credentials;
    let reply = if offered.auth_plain {
        let secret = BASE64.encode(format!("\0{user}\0{password}"));
        command(wire, Phase::Auth, &format!("AUTH PLAIN {secret}"), timeouts.command).await?
    } else if offered.auth_login {
        login(wire, user, password, timeouts).await?
    } else {
        let detail = "the server offers neither AUTH PLAIN nor AUTH LOGIN";
        return Err(Failure::broken(Phase::Auth, Problem::AuthUnavailable, detail));
    };
    match reply.class() {
        ReplyClass::Positive => Ok(()),
        ReplyClass::Intermediate => {
            let detail = format!("the server asks for more than user and password: {reply}");
            Err(Failure::broken(Phase::Auth, Problem::Garbage, detail))
        }
        _ => Err(Failure::Refused { phase: Phase::Auth, reply }),
    }
}

async fn login(wire: &mut Wire, user: &str, password: &str, timeouts: &Timeouts) -> Result<Reply, Failure> {
    let mut reply = command(wire, Phase::Auth, "AUTH LOGIN", timeouts.command).await?;
    for secret in [user, password] {
        if reply.class() != ReplyClass::Intermediate {
            return Ok(reply);
        }
        reply = command(wire, Phase::Auth, &BASE64.encode(secret), timeouts.command).await?;
    }
    Ok(reply)
}
