//! Names and the way out: DNS answers, TLS has its roots, and, when asked, a mail server outside can be reached.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings_delivery::{Resolver, TlsClients};
use tidings_domain::ProviderTable;

use super::Finding;
use crate::config::Config;
use crate::runtime::resolver;

/// Its mail servers are known to the whole world and answer anybody.
const WELL_KNOWN: &str = "gmail.com";
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

pub async fn look(config: &Config, outside: bool, findings: &mut Vec<Finding>) {
    findings.push(match TlsClients::new(&[]) {
        Ok(_) => Finding::ok("TLS", "public root certificates are built in"),
        Err(error) => Finding::fail("TLS", error.to_string(), "this is a fault of the program: report it"),
    });
    let found =
        ProviderTable::builtin().map_err(anyhow::Error::from).and_then(|table| resolver(config, &Arc::new(table)));
    let resolver = match found {
        Ok(resolver) => resolver,
        Err(error) => return findings.push(Finding::fail("DNS", format!("{error:#}"), MEND_DNS)),
    };
    if !outside {
        let words = "resolvers are set; --network asks them and tries the way out";
        return findings.push(Finding::ok("DNS", words));
    }
    match first_mail_host(&resolver, config.smtp_port).await {
        Ok(host) => {
            findings.push(Finding::ok("DNS", format!("{WELL_KNOWN} has mail servers, the first at {host}")));
            findings.push(connect(host).await);
        }
        Err(words) => findings.push(Finding::fail("DNS", words, MEND_DNS)),
    }
}

const MEND_DNS: &str = "run a caching resolver on this machine (unbound) or name some with TIDINGS_NAMESERVERS";

async fn first_mail_host(resolver: &Resolver, port: u16) -> Result<SocketAddr, String> {
    let hosts =
        resolver.mail_hosts(WELL_KNOWN).await.map_err(|e| format!("{WELL_KNOWN} cannot be resolved: {}", e.detail))?;
    let first = hosts.hosts.first().ok_or_else(|| format!("{WELL_KNOWN} has no mail server"))?;
    let addresses = resolver
        .addresses(&first.name)
        .await
        .map_err(|e| format!("{} cannot be resolved: {}", first.name, e.detail))?;
    addresses.first().map(|ip| SocketAddr::new(*ip, port)).ok_or_else(|| format!("{} has no address", first.name))
}

async fn connect(host: SocketAddr) -> Finding {
    let name = "way out";
    let mend = "many hosters block port 25: ask yours to open it, or send through a relay (Settings, Sending)";
    match tokio::time::timeout(CONNECT_WITHIN, tokio::net::TcpStream::connect(host)).await {
        Ok(Ok(_)) => Finding::ok(name, format!("{host} can be reached")),
        Ok(Err(error)) => Finding::fail(name, format!("{host} cannot be reached: {error}"), mend),
        Err(_) => Finding::fail(name, format!("{host} gave no answer within {} s", CONNECT_WITHIN.as_secs()), mend),
    }
}
