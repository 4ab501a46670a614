//! The reference of all options.

/// One option: its key in the file, its variable, and what it means. `deploy/env.example` and the README are held to
/// this table by a test.
pub struct OptionDoc {
    pub key: &'static str,
    pub variable: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
}

macro_rules! options {
    ($($key:literal, $variable:literal, $default:literal, $meaning:literal;)+) => {
        pub const OPTIONS: &[OptionDoc] = &[$(OptionDoc { key: $key, variable: $variable, default: $default, meaning: $meaning },)+];
    };
}

options! {
    "data_dir", "TIDINGS_DATA_DIR", "data", "Folder for the SQLite file, the instance key and uploaded files.";
    "database_url", "DATABASE_URL", "(SQLite in data_dir)", "postgres://user:password@host/name, or the path of an SQLite file.";
    "database_connections", "TIDINGS_DATABASE_CONNECTIONS", "12", "Connections of this process to the database (2 to 500); half of them write. PostgreSQL's max_connections has to hold those of all processes together.";
    "ledger_retention_months", "TIDINGS_LEDGER_RETENTION_MONTHS", "0", "Full months for which the rows of a campaign's recipients are kept after the month of its launch (3 to 1200); 0 keeps them. Sums stay, and links in mails go on working.";
    "redis_url", "REDIS_URL", "(a queue inside the process)", "redis://[user:password@]host[:port][/database] or rediss:// of the queue that several processes share.";
    "redis_prefix", "TIDINGS_REDIS_PREFIX", "tidings", "All keys in Redis begin with it. Two installations on one Redis need two.";
    "secret_key", "TIDINGS_SECRET_KEY", "(data_dir/instance.key)", "The instance key, 32 octets in base64, for processes on several machines: the content of data_dir/instance.key. Losing it breaks the links in mails already sent.";
    "listen", "TIDINGS_LISTEN", "127.0.0.1:8080", "Address and port of the web server.";
    "public_url", "TIDINGS_PUBLIC_URL", "http://<listen>", "How browsers and recipients reach it. Links in mails are built from this, never from a request.";
    "bounce_domain", "TIDINGS_BOUNCE_DOMAIN", "(the From address's domain)", "Domain of return paths (VERP). Its MX must lead back to you.";
    "intake_listen", "TIDINGS_INTAKE_LISTEN", "(off)", "Address and port of the SMTP listener for the bounce domain, such as 0.0.0.0:25.";
    "intake_cert", "TIDINGS_INTAKE_CERT", "(no STARTTLS)", "Certificate chain of the SMTP listener, a PEM file.";
    "intake_key", "TIDINGS_INTAKE_KEY", "(no STARTTLS)", "Its private key, a PEM file.";
    "mailboxes", "TIDINGS_MAILBOXES", "(none)", "Mailboxes to which bounces come, separated by spaces: imaps://user:password@host/INBOX?after=delete, pop3s://user:password@host, maildir:///path. after=keep leaves the mail, after=FOLDER moves it.";
    "ehlo_name", "TIDINGS_EHLO_NAME", "(this machine's host name)", "The name given in EHLO; should resolve to the sending IP and back.";
    "source_ip", "TIDINGS_SOURCE_IP", "(chosen by the system)", "Local address that direct deliveries leave from.";
    "providers_file", "TIDINGS_PROVIDERS_FILE", "(the built-in table)", "TOML over the built-in table of mailbox providers: limits, mail hosts, rules for replies. Read again when it changes; see tidings providers check.";
    "nameservers", "TIDINGS_NAMESERVERS", "(the system's)", "Comma-separated ip:port of the resolvers to ask.";
    "dns_validates", "TIDINGS_DNS_VALIDATES", "false", "These resolvers check DNSSEC signatures, and nobody else can write to the path to them (they run on this machine, say): then DANE applies.";
    "smtp_port", "TIDINGS_SMTP_PORT", "25", "Port of direct deliveries. Only tests and sandboxes change it.";
    "allow_private_targets", "TIDINGS_ALLOW_PRIVATE_TARGETS", "false", "Deliver directly to loopback and private addresses. Only tests and sandboxes need it.";
    "max_connections", "TIDINGS_MAX_CONNECTIONS", "200", "SMTP connections of this process at one time (1 to 5000).";
    "drain_seconds", "TIDINGS_DRAIN_SECONDS", "30", "After the order to stop, messages in flight may take this long (0 to 3600); what has no reply by then is in doubt. A peer may take 600.";
    "worker_id", "TIDINGS_WORKER_ID", "(made at each start)", "The name of this process among the others. No two that live may have the same.";
    "trusted_proxies", "TIDINGS_TRUSTED_PROXIES", "(none)", "Comma-separated IPs or networks, such as 10.0.0.0/8, whose X-Forwarded-For is believed.";
    "metrics_listen", "TIDINGS_METRICS_LISTEN", "(none)", "A second address for /metrics and /health alone, such as 127.0.0.1:9464: in every role, and the only one in a dispatcher or worker.";
    "metrics_token", "TIDINGS_METRICS_TOKEN", "(none: this machine only)", "Who reads /metrics has to send it as a bearer token. Without it only clients on the same machine may.";
    "log", "TIDINGS_LOG", "info", "Log filter, such as info or info,tidings_worker=debug.";
    "log_format", "TIDINGS_LOG_FORMAT", "text", "text or json.";
    "traces_collector", "TIDINGS_TRACES_COLLECTOR", "(off)", "OpenTelemetry collector that takes traces by OTLP over HTTP, such as http://127.0.0.1:4318.";
    "traces_share", "TIDINGS_TRACES_SHARE", "0.01", "The share of requests and attempts that are traced (0 to 1).";
}

/// The reference, for a terminal.
pub fn print_options() {
    for option in OPTIONS {
        println!("{} = {}\n    {}\n    {}\n", option.variable, option.default, option.meaning, in_the_file(option.key));
    }
}

fn in_the_file(key: &str) -> String {
    format!("in the file of --config: {key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_documented() {
        let example = include_str!("../../../../deploy/env.example");
        for option in OPTIONS {
            assert!(example.contains(option.variable), "deploy/env.example lacks {}", option.variable);
            assert!(example.contains(option.meaning), "deploy/env.example lacks the meaning of {}", option.variable);
        }
    }
}
