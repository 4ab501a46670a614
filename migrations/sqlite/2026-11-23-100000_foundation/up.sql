-- The first schema of Tidings, SQLite. Its twin for PostgreSQL lies in ../../postgres; both hold the same tables
-- and columns, and one suite of tests runs on both.
--
-- Conventions: every table of tenant data has workspace_id. Instants are whole milliseconds since the Unix epoch, UTC, in
-- columns that end in _ms. Closed sets of words are text that a human can read, except in the ledger, whose rows
-- are counted in millions: there they are small codes (tidings_domain::DeliveryState::code).

CREATE TABLE instance (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE workspaces (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL,
    postal_address TEXT NOT NULL DEFAULT '',
    time_zone      TEXT NOT NULL DEFAULT 'UTC',
    from_name      TEXT NOT NULL DEFAULT '',
    from_email     TEXT NOT NULL DEFAULT '',
    created_at_ms  BIGINT NOT NULL
);

CREATE TABLE users (
    id               INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    email            TEXT NOT NULL UNIQUE,
    name             TEXT NOT NULL,
    password_hash    TEXT NOT NULL,
    theme            TEXT NOT NULL DEFAULT 'auto' CHECK (theme IN ('auto', 'light', 'dark')),
    created_at_ms    BIGINT NOT NULL,
    signed_in_at_ms  BIGINT
);

CREATE TABLE members (
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'member')),
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
);

-- Only hashes of session keys and one-time tokens are stored: who reads the database cannot sign in with it.
CREATE TABLE sessions (
    key_hash      TEXT NOT NULL PRIMARY KEY,
    user_id       BIGINT REFERENCES users (id) ON DELETE CASCADE,
    state         TEXT NOT NULL,
    ip            TEXT NOT NULL DEFAULT '',
    user_agent    TEXT NOT NULL DEFAULT '',
    created_at_ms BIGINT NOT NULL,
    seen_at_ms    BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

CREATE TABLE one_time_tokens (
    token_hash    TEXT NOT NULL PRIMARY KEY,
    purpose       TEXT NOT NULL CHECK (purpose IN ('setup', 'sign_in')),
    user_id       BIGINT REFERENCES users (id) ON DELETE CASCADE,
    expires_at_ms BIGINT NOT NULL
);

CREATE TABLE lists (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    description   TEXT NOT NULL DEFAULT '',
    created_at_ms BIGINT NOT NULL,
    UNIQUE (workspace_id, name)
);

CREATE TABLE imports (
    id                 INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id       BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    list_id            BIGINT REFERENCES lists (id) ON DELETE SET NULL,
    file_name          TEXT NOT NULL,
    -- Empty once the file is gone. Only a file that is ours (an upload) is ever deleted.
    spool_path         TEXT NOT NULL,
    delete_file        BOOLEAN NOT NULL,
    bytes_total        BIGINT NOT NULL,
    -- Hash of the file's two ends: a file that changed between two runs is noticed.
    fingerprint        TEXT NOT NULL DEFAULT '',
    -- uploaded: to be looked at; review: a person checks the columns; ready: to be imported.
    state              TEXT NOT NULL
        CHECK (state IN ('uploaded', 'review', 'ready', 'running', 'done', 'failed', 'cancelled')),
    -- Goes from uploaded to ready without a person's review, if the columns are clear.
    auto_start         BOOLEAN NOT NULL,
    -- JSON object: encoding, delimiter, has_header as found, and what a person chose instead.
    format             TEXT NOT NULL DEFAULT '{}',
    -- JSON array, one entry for each column of the file: header, field, name, samples.
    mapping            TEXT NOT NULL DEFAULT '[]',
    consent_source     TEXT NOT NULL DEFAULT '',
    -- The checkpoint: every record before this byte of the file is committed, and this many items of the window
    -- of records that begins there, sorted by address. row_no is the number of the last record before it.
    offset_bytes       BIGINT NOT NULL DEFAULT 0,
    row_no             BIGINT NOT NULL DEFAULT 0,
    window_done        BIGINT NOT NULL DEFAULT 0,
    -- For the progress bar only.
    bytes_done         BIGINT NOT NULL DEFAULT 0,
    rows_read          BIGINT NOT NULL DEFAULT 0,
    rows_created       BIGINT NOT NULL DEFAULT 0,
    rows_updated       BIGINT NOT NULL DEFAULT 0,
    rows_duplicate     BIGINT NOT NULL DEFAULT 0,
    rows_invalid       BIGINT NOT NULL DEFAULT 0,
    rows_suppressed    BIGINT NOT NULL DEFAULT 0,
    error              TEXT NOT NULL DEFAULT '',
    -- The worker that holds it, so that two do not do the same work.
    leased_by          TEXT NOT NULL DEFAULT '',
    leased_until_ms    BIGINT NOT NULL DEFAULT 0,
    created_by         TEXT NOT NULL DEFAULT '',
    created_at_ms      BIGINT NOT NULL,
    started_at_ms      BIGINT,
    updated_at_ms      BIGINT NOT NULL,
    finished_at_ms     BIGINT,
    CONSTRAINT every_row_has_one_end CHECK
        (rows_read = rows_created + rows_updated + rows_duplicate + rows_invalid + rows_suppressed)
);
CREATE INDEX imports_by_workspace ON imports (workspace_id, id);
CREATE INDEX imports_open ON imports (id) WHERE state IN ('uploaded', 'ready', 'running');
CREATE INDEX imports_with_file ON imports (id) WHERE spool_path <> '';

CREATE TABLE import_rejects (
    import_id    BIGINT NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    row_no       BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('duplicate', 'invalid', 'suppressed')),
    column_name  TEXT NOT NULL DEFAULT '',
    reason       TEXT NOT NULL,
    -- The row as it stood in the file, one CSV record with the file's delimiter, in UTF-8, cut at a named limit.
    record       TEXT NOT NULL,
    PRIMARY KEY (import_id, row_no)
) WITHOUT ROWID;

-- Incremental: the rejected rows by reason, for the report.
CREATE TABLE import_reject_counts (
    import_id    BIGINT NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL,
    column_name  TEXT NOT NULL,
    reason       TEXT NOT NULL,
    workspace_id BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    PRIMARY KEY (import_id, kind, column_name, reason)
) WITHOUT ROWID;

CREATE TABLE subscribers (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    -- Canonical form: tidings_domain::EmailAddress
    email         TEXT NOT NULL,
    domain        TEXT NOT NULL,
    first_name    TEXT NOT NULL DEFAULT '',
    last_name     TEXT NOT NULL DEFAULT '',
    -- JSON object of text values
    attributes    TEXT NOT NULL DEFAULT '{}',
    status        TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'bounced', 'complained', 'on_hold')),
    soft_bounces  INTEGER NOT NULL DEFAULT 0,
    -- The last import that wrote this row: how an import knows a row of the same address that it has done already.
    import_id     BIGINT,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    UNIQUE (workspace_id, email)
);
-- The forecast of an audience takes these off without reading the others.
CREATE INDEX subscribers_out_of_reach ON subscribers (workspace_id, id) WHERE status <> 'active';

CREATE TABLE subscriptions (
    list_id        BIGINT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    subscriber_id  BIGINT NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    workspace_id   BIGINT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('subscribed', 'unsubscribed')),
    -- The consent record: where it came from and when it was given.
    source         TEXT NOT NULL DEFAULT '',
    consent_at_ms  BIGINT,
    created_at_ms  BIGINT NOT NULL,
    updated_at_ms  BIGINT NOT NULL,
    PRIMARY KEY (list_id, subscriber_id)
) WITHOUT ROWID;
CREATE INDEX subscriptions_by_subscriber ON subscriptions (subscriber_id);

-- Incremental: how many subscriptions of each list stand in each status. No page counts rows.
CREATE TABLE list_counts (
    list_id      BIGINT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    status       TEXT NOT NULL,
    workspace_id BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    PRIMARY KEY (list_id, status)
) WITHOUT ROWID;

CREATE TABLE suppressions (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL CHECK (kind IN ('address', 'domain')),
    value         TEXT NOT NULL,
    reason        TEXT NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'unsubscribe', 'on_hold', 'blocklist')),
    -- Evidence: who or what said so, and its words (a reply verbatim).
    source        TEXT NOT NULL DEFAULT '',
    evidence      TEXT NOT NULL DEFAULT '',
    campaign_id   BIGINT,
    delivery_id   BIGINT,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    UNIQUE (workspace_id, kind, value)
);

CREATE TABLE routes (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('direct', 'relay')),
    host          TEXT NOT NULL DEFAULT '',
    port          INTEGER NOT NULL DEFAULT 25,
    -- none: plain text; starttls: required; opportunistic: STARTTLS when offered; tls: implicit TLS (RFC 8314)
    tls           TEXT NOT NULL CHECK (tls IN ('none', 'opportunistic', 'starttls', 'tls')),
    username      TEXT NOT NULL DEFAULT '',
    -- Sealed with the instance key (app), never plain text.
    password_sealed TEXT NOT NULL DEFAULT '',
    ehlo_name     TEXT NOT NULL DEFAULT '',
    -- Limits of a relay: simultaneous connections and messages for each second; 0 = the default.
    max_connections INTEGER NOT NULL DEFAULT 0,
    max_per_second  INTEGER NOT NULL DEFAULT 0,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    UNIQUE (workspace_id, name)
);

CREATE TABLE campaigns (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id    BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    subject         TEXT NOT NULL DEFAULT '',
    preview_text    TEXT NOT NULL DEFAULT '',
    from_name       TEXT NOT NULL DEFAULT '',
    from_email      TEXT NOT NULL DEFAULT '',
    reply_to        TEXT NOT NULL DEFAULT '',
    html            TEXT NOT NULL DEFAULT '',
    -- The text part; while text_is_generated it follows the HTML.
    text            TEXT NOT NULL DEFAULT '',
    text_is_generated BOOLEAN NOT NULL DEFAULT TRUE,
    track_opens     BOOLEAN NOT NULL DEFAULT TRUE,
    track_clicks    BOOLEAN NOT NULL DEFAULT TRUE,
    state           TEXT NOT NULL DEFAULT 'draft'
        CHECK (state IN ('draft', 'scheduled', 'queuing', 'queued', 'sending', 'done', 'cancelled')),
    -- Lies across the states: who paused it, when and why.
    paused_at_ms    BIGINT,
    paused_by       TEXT NOT NULL DEFAULT '',
    pause_reason    TEXT NOT NULL DEFAULT '',
    -- Needs attention: the reason in words, empty when all is well.
    attention       TEXT NOT NULL DEFAULT '',
    -- Frozen at launch.
    revision_id     BIGINT,
    route_id        BIGINT,
    audience_total  BIGINT,
    -- Raised with every edit; an edit based on an older version is refused, not merged.
    version         BIGINT NOT NULL DEFAULT 1,
    created_by      TEXT NOT NULL DEFAULT '',
    created_at_ms   BIGINT NOT NULL,
    updated_at_ms   BIGINT NOT NULL,
    queuing_at_ms   BIGINT,
    queued_at_ms    BIGINT,
    sending_at_ms   BIGINT,
    done_at_ms      BIGINT,
    cancelled_at_ms BIGINT,
    CONSTRAINT revision_frozen_once_launched CHECK (state IN ('draft', 'scheduled', 'cancelled') OR revision_id IS NOT NULL),
    CONSTRAINT total_known_once_queued CHECK (state NOT IN ('queued', 'sending', 'done') OR audience_total IS NOT NULL),
    CONSTRAINT finished_iff_done CHECK (state <> 'done' OR done_at_ms IS NOT NULL)
);
CREATE INDEX campaigns_by_workspace ON campaigns (workspace_id, id);
CREATE INDEX campaigns_active ON campaigns (id) WHERE state IN ('queuing', 'queued', 'sending');

-- Fan-out's checkpoint: subscribers up to and with the cursor have their ledger row; committed with the rows themselves.
CREATE TABLE fanouts (
    campaign_id   BIGINT NOT NULL PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    workspace_id  BIGINT NOT NULL,
    cursor_subscriber_id BIGINT NOT NULL DEFAULT 0,
    -- The highest subscriber id at launch: who joins later is not in the audience.
    last_subscriber_id   BIGINT NOT NULL,
    -- Subscriptions beyond the first of the same person.
    duplicates    BIGINT NOT NULL DEFAULT 0,
    done          BOOLEAN NOT NULL DEFAULT FALSE
) WITHOUT ROWID;

-- What recipients did, as incremental sums.
CREATE TABLE campaign_responses (
    campaign_id    BIGINT NOT NULL PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    workspace_id   BIGINT NOT NULL,
    opened_unique  BIGINT NOT NULL DEFAULT 0,
    clicked_unique BIGINT NOT NULL DEFAULT 0,
    unsubscribed   BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE campaign_lists (
    campaign_id  BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    list_id      BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('include', 'exclude')),
    -- Kept for the report when the list itself is gone.
    list_name    TEXT NOT NULL,
    PRIMARY KEY (campaign_id, list_id)
) WITHOUT ROWID;

CREATE TABLE campaign_events (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id BIGINT NOT NULL,
    campaign_id  BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    at_ms        BIGINT NOT NULL,
    actor        TEXT NOT NULL,
    what         TEXT NOT NULL
);
CREATE INDEX campaign_events_by_campaign ON campaign_events (campaign_id, id);

-- Content, frozen: at launch, or for one test message.
CREATE TABLE revisions (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    campaign_id   BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    subject       TEXT NOT NULL,
    preview_text  TEXT NOT NULL,
    from_name     TEXT NOT NULL,
    from_email    TEXT NOT NULL,
    reply_to      TEXT NOT NULL,
    html          TEXT NOT NULL,
    text          TEXT NOT NULL,
    track_opens   BOOLEAN NOT NULL,
    track_clicks  BOOLEAN NOT NULL,
    postal_address TEXT NOT NULL,
    list_name     TEXT NOT NULL,
    -- JSON array of link targets (templates); a click token names one by its position.
    links         TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX revisions_by_campaign ON revisions (campaign_id);

-- Providers by name; 0 is "not yet known".
CREATE TABLE providers (
    id   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
);
INSERT INTO providers (id, name) VALUES (0, '');

-- What DNS said of a recipient's domain: a cache, rebuilt at will.
CREATE TABLE recipient_domains (
    domain        TEXT NOT NULL PRIMARY KEY,
    provider_id   BIGINT NOT NULL REFERENCES providers (id),
    expires_at_ms BIGINT NOT NULL
) WITHOUT ROWID;

-- The ledger: one row for each campaign (or test message) and recipient, in exactly one state.
CREATE TABLE deliveries (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL,
    campaign_id   BIGINT NOT NULL,
    revision_id   BIGINT NOT NULL,
    -- For a test message: whose data fill it, if anybody's. It may name somebody who was deleted since.
    subscriber_id BIGINT,
    recipient     TEXT NOT NULL,
    provider_id   BIGINT NOT NULL DEFAULT 0,
    -- 0 campaign, 1 test message
    kind          SMALLINT NOT NULL DEFAULT 0 CHECK (kind IN (0, 1)),
    -- 0 transactional, 1 automation, 2 bulk
    lane          SMALLINT NOT NULL DEFAULT 2 CHECK (lane IN (0, 1, 2)),
    -- tidings_domain::DeliveryState::code; below 10 it can still move by itself, from 10 on it has ended.
    state         SMALLINT NOT NULL,
    attempt       SMALLINT NOT NULL DEFAULT 0,
    -- The first attempt's instant: the retry window counts from it.
    first_attempt_at_ms BIGINT,
    next_at_ms    BIGINT,
    updated_at_ms BIGINT NOT NULL,
    route_id      BIGINT,
    reply_code    SMALLINT,
    enhanced      TEXT,
    -- Why it stands where it stands: a skip reason, a bounce class, or words of ours.
    reason        TEXT,
    -- The peer's last reply, every line of it.
    reply         TEXT,
    CONSTRAINT known_state CHECK (state IN (0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17)),
    CONSTRAINT deferred_has_next_at CHECK ((state = 3) = (next_at_ms IS NOT NULL)),
    CONSTRAINT ended_badly_has_reason CHECK (state NOT IN (11, 12, 13, 14, 15) OR reason IS NOT NULL)
);
CREATE UNIQUE INDEX deliveries_one_for_each ON deliveries (campaign_id, subscriber_id) WHERE kind = 0;
-- What can still move: recovery, the sweeper, and Done's proof read only this.
CREATE INDEX deliveries_open ON deliveries (campaign_id, state, id) WHERE state < 10;
-- Test messages wait for the dispatcher whatever their campaign's state.
CREATE INDEX deliveries_tests_pending ON deliveries (id) WHERE kind = 1 AND state = 0;
CREATE INDEX deliveries_due ON deliveries (next_at_ms) WHERE state = 3;
-- What ended otherwise than accepted: the recipients page filters by it.
CREATE INDEX deliveries_exceptions ON deliveries (campaign_id, state, id) WHERE state > 10;
CREATE INDEX deliveries_by_subscriber ON deliveries (subscriber_id) WHERE state > 10;
-- Test messages are few among millions, and looked up by their campaign.
CREATE INDEX deliveries_tests ON deliveries (campaign_id, id) WHERE kind = 1;

-- Attempts that did not end in acceptance: the whole history of a deferral, a bounce, a dead letter.
CREATE TABLE attempts (
    delivery_id   BIGINT NOT NULL,
    number        SMALLINT NOT NULL,
    workspace_id  BIGINT NOT NULL,
    at_ms         BIGINT NOT NULL,
    duration_ms   BIGINT NOT NULL,
    route_id      BIGINT,
    host          TEXT NOT NULL,
    ip            TEXT NOT NULL,
    tls           TEXT NOT NULL,
    phase         TEXT NOT NULL,
    class         TEXT NOT NULL,
    reply_code    SMALLINT,
    enhanced      TEXT,
    reply         TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID;

-- Incremental sums over the ledger, written in the transaction that moves the rows. detail: the skip reason, else ''.
CREATE TABLE delivery_counts (
    campaign_id  BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    provider_id  BIGINT NOT NULL,
    state        SMALLINT NOT NULL,
    detail       TEXT NOT NULL DEFAULT '',
    workspace_id BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, provider_id, state, detail)
) WITHOUT ROWID;

-- The last words of each provider on a campaign.
CREATE TABLE provider_replies (
    campaign_id  BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    provider_id  BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    reply        TEXT NOT NULL,
    at_ms        BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, provider_id)
) WITHOUT ROWID;

-- Refusals grouped by provider, code and normalised text.
CREATE TABLE reply_groups (
    campaign_id  BIGINT NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    provider_id  BIGINT NOT NULL,
    -- the normalised text: digits, addresses and ids replaced
    text_key     TEXT NOT NULL,
    workspace_id BIGINT NOT NULL,
    class        TEXT NOT NULL,
    reply_code   SMALLINT,
    enhanced     TEXT,
    sample       TEXT NOT NULL,
    n            BIGINT NOT NULL,
    first_at_ms  BIGINT NOT NULL,
    last_at_ms   BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, provider_id, text_key)
) WITHOUT ROWID;

-- Opens and clicks, one row for each delivery and link.
CREATE TABLE engagements (
    delivery_id  BIGINT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('open', 'click')),
    -- the link's position in revisions.links; -1 for opens
    link         INTEGER NOT NULL,
    workspace_id BIGINT NOT NULL,
    campaign_id  BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    first_at_ms  BIGINT NOT NULL,
    last_at_ms   BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, kind, link)
) WITHOUT ROWID;
CREATE INDEX engagements_by_campaign ON engagements (campaign_id, kind, link);

CREATE TABLE workers (
    id              TEXT NOT NULL PRIMARY KEY,
    role            TEXT NOT NULL,
    host            TEXT NOT NULL,
    version         TEXT NOT NULL,
    started_at_ms   BIGINT NOT NULL,
    heartbeat_at_ms BIGINT NOT NULL,
    connections     BIGINT NOT NULL DEFAULT 0,
    attempts        BIGINT NOT NULL DEFAULT 0
);
