-- How the last attempt's connection was protected: tidings_domain::Protection::code. NULL: there was none.
ALTER TABLE deliveries ADD COLUMN tls SMALLINT;

-- MTA-STS policies as fetched (RFC 8461), shared by all workers. A domain without a policy has no row.
CREATE TABLE sts_policies (
    domain        TEXT NOT NULL PRIMARY KEY,
    -- The id of the TXT record that led to it.
    policy_id     TEXT NOT NULL,
    -- The policy as it was served.
    policy        TEXT NOT NULL,
    fetched_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);

-- Recipient domains to which nothing goes without TLS, by an operator's word.
CREATE TABLE tls_required_domains (
    domain      TEXT NOT NULL PRIMARY KEY,
    -- Also the certificate has to be valid for the mail host's name.
    is_verified BOOLEAN NOT NULL,
    added_by    TEXT NOT NULL,
    added_at_ms BIGINT NOT NULL
);

-- Domains of which DNS said that they, or their mail hosts, do not exist: believed the second time.
CREATE TABLE missing_domains (
    domain      TEXT NOT NULL PRIMARY KEY,
    first_at_ms BIGINT NOT NULL,
    last_at_ms  BIGINT NOT NULL
);

-- TLS sessions with mail hosts, as RFC 8460 counts them.
CREATE TABLE tls_sessions (
    -- Days since 1970-01-01, UTC.
    day          INTEGER NOT NULL,
    domain       TEXT NOT NULL,
    -- tidings_domain::TlsPolicyType
    policy       TEXT NOT NULL,
    -- tidings_domain::TlsResult
    result       TEXT NOT NULL,
    mx_host      TEXT NOT NULL,
    n            BIGINT NOT NULL,
    -- Of the last one: addresses, the policy's own words, and what was wrong.
    sending_ip   TEXT NOT NULL,
    receiving_ip TEXT NOT NULL,
    policy_text  TEXT NOT NULL,
    detail       TEXT NOT NULL,
    last_at_ms   BIGINT NOT NULL,
    PRIMARY KEY (day, domain, policy, result, mx_host)
);
