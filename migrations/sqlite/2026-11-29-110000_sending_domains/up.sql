-- Domains that a workspace's mail comes from, and signs as.
CREATE TABLE sending_domains (
    id               INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id     BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name             TEXT NOT NULL,
    state            TEXT NOT NULL DEFAULT 'unverified' CHECK (state IN ('unverified', 'verified', 'failing')),
    created_by       TEXT NOT NULL,
    created_at_ms    BIGINT NOT NULL,
    -- When it was verified first; since when no key in use stands in DNS.
    verified_at_ms   BIGINT,
    failing_since_ms BIGINT,
    checked_at_ms    BIGINT,
    -- DNS is asked again then; a person's wish moves it to now.
    next_check_at_ms BIGINT NOT NULL,
    UNIQUE (workspace_id, name)
);
CREATE INDEX sending_domains_due ON sending_domains (next_check_at_ms);

-- The keys that sign for a domain.
CREATE TABLE dkim_keys (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id    BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    domain_id       BIGINT NOT NULL REFERENCES sending_domains (id) ON DELETE CASCADE,
    algorithm       TEXT NOT NULL CHECK (algorithm IN ('rsa2048', 'ed25519')),
    selector        TEXT NOT NULL,
    -- The tag p= of its record.
    public_key      TEXT NOT NULL,
    -- Sealed with the instance key, never plain text; empty once it is revoked.
    private_sealed  TEXT NOT NULL,
    state           TEXT NOT NULL DEFAULT 'prepared' CHECK (state IN ('prepared', 'active', 'retiring', 'revoked')),
    created_at_ms   BIGINT NOT NULL,
    -- Since when its record is found in DNS; NULL while it is not, and then nothing is signed with it.
    published_at_ms BIGINT,
    activated_at_ms BIGINT,
    retired_at_ms   BIGINT,
    revoked_at_ms   BIGINT,
    CHECK ((state = 'revoked') = (private_sealed = '')),
    UNIQUE (domain_id, selector)
);

-- What DNS should say of a domain, and what it said when it was asked last.
CREATE TABLE domain_records (
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    domain_id     BIGINT NOT NULL REFERENCES sending_domains (id) ON DELETE CASCADE,
    host          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('dkim', 'spf', 'dmarc', 'bounce_mx')),
    -- What to publish; empty when what is there will do.
    expected      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('unknown', 'good', 'missing', 'wrong', 'broken', 'several')),
    detail        TEXT NOT NULL,
    found         TEXT NOT NULL,
    -- Since when it is in this state; whether it has ever been good.
    since_ms      BIGINT NOT NULL,
    was_good      BOOLEAN NOT NULL,
    checked_at_ms BIGINT NOT NULL,
    PRIMARY KEY (domain_id, kind, host)
);
