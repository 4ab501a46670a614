use redis::{ErrorKind, RedisError};

use crate::Trouble;

/// What to do about a call that was not served.
#[derive(Debug)]
pub enum Failure {
    /// The server does not know our functions (it was restarted empty, or a replica took over): load them, ask again.
    NoFunctions,
    Trouble {
        trouble: Trouble,
        why: String,
        reconnect: bool,
    },
}

pub fn understand(error: &RedisError) -> Failure {
    let text = error.to_string();
    if text.contains("Function not found") {
        return Failure::NoFunctions;
    }
    let code = error.code().unwrap_or_default();
    let trouble = match code {
        "OOM" => Trouble::OutOfMemory,
        "READONLY" => Trouble::ReadOnly,
        "LOADING" | "MASTERDOWN" => Trouble::Loading,
        "CLUSTERDOWN" | "TRYAGAIN" => Trouble::ClusterDown,
        "NOAUTH" | "WRONGPASS" | "NOPERM" => Trouble::NotPermitted,
        "MISCONF" => Trouble::DiskFailing,
        "BUSY" => Trouble::Busy,
        _ => by_kind(error, &text),
    };
    // A refused connection may lead to the old master still: a new one asks the address again.
    let reconnect = matches!(trouble, Trouble::Unreachable | Trouble::ReadOnly | Trouble::NotPermitted);
    Failure::Trouble { trouble, why: text, reconnect }
}

fn by_kind(error: &RedisError, text: &str) -> Trouble {
    match error.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => Trouble::Unreachable,
        ErrorKind::AuthenticationFailed => Trouble::NotPermitted,
        // A function that meets it says so inside its own error.
        _ if text.contains("OOM command not allowed") => Trouble::OutOfMemory,
        _ if error.is_timeout() || error.is_connection_dropped() => Trouble::Unreachable,
        _ => Trouble::Other,
    }
}
