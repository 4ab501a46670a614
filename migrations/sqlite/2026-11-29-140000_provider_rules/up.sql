-- What an operator changed in the table of providers, as JSON (domain::ProviderEntry): only what is different.
CREATE TABLE provider_settings (
    provider  TEXT NOT NULL PRIMARY KEY,
    settings  TEXT NOT NULL
);

-- An operator's own rules for replies, as JSON (domain::ReplyRule). They are asked in the order of their ids.
CREATE TABLE reply_rules (
    id             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL UNIQUE,
    rule           TEXT NOT NULL,
    created_by     TEXT NOT NULL,
    created_at_ms  BIGINT NOT NULL
);

-- Who changed which of both. The highest id is the version that processes look at, so nothing here is ever deleted.
CREATE TABLE provider_changes (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ms       BIGINT NOT NULL,
    changed_by  TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('settings', 'rule')),
    -- The provider's name, or the rule's.
    subject     TEXT NOT NULL,
    -- JSON; empty: there was none, or there is none any more.
    was         TEXT NOT NULL,
    becomes     TEXT NOT NULL,
    -- The change that this one takes back.
    undoes      BIGINT
);
CREATE INDEX provider_changes_by_subject ON provider_changes (kind, subject, id);

-- Each turn of a destination's knob, each hold and its end.
CREATE TABLE pace_events (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ms        BIGINT NOT NULL,
    -- A provider's name, or relay:<route>.
    provider     TEXT NOT NULL,
    -- 0: none.
    route_id     BIGINT NOT NULL,
    -- The sending domain that it is about; empty: all.
    stream       TEXT NOT NULL,
    act          TEXT NOT NULL CHECK (act IN ('down', 'up', 'hold', 'lift')),
    knob         TEXT NOT NULL CHECK (knob IN ('', 'rate', 'connections', 'messages_per_connection')),
    -- Thousandths of the knob's unit.
    from_milli   BIGINT,
    to_milli     BIGINT,
    -- Held until.
    until_ms     BIGINT,
    class        TEXT NOT NULL,
    rule         TEXT NOT NULL,
    -- The receiver's own words, or the operator's.
    why          TEXT NOT NULL,
    acted_by     TEXT NOT NULL,
    -- So many within a minute are one.
    times        BIGINT NOT NULL DEFAULT 1,
    -- What it asks campaigns' owners to look at; empty: nothing.
    attention    TEXT NOT NULL,
    -- When its hold was over, or was lifted.
    ended_at_ms  BIGINT
);
CREATE INDEX pace_events_by_provider ON pace_events (provider, id);
CREATE INDEX pace_events_by_time ON pace_events (at_ms);
CREATE INDEX pace_events_held ON pace_events (until_ms) WHERE until_ms IS NOT NULL AND ended_at_ms IS NULL;

-- What a person orders for a destination; the dispatcher tells the queue.
CREATE TABLE pace_orders (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ms       BIGINT NOT NULL,
    ordered_by  TEXT NOT NULL,
    provider    TEXT NOT NULL,
    -- NULL: on every route.
    route_id    BIGINT,
    act         TEXT NOT NULL CHECK (act IN ('hold', 'lift')),
    until_ms    BIGINT,
    why         TEXT NOT NULL,
    -- When the queue was told.
    told_at_ms  BIGINT,
    -- A hold that was lifted by a later order.
    over_at_ms  BIGINT,
    CHECK ((act = 'hold') = (until_ms IS NOT NULL))
);
CREATE INDEX pace_orders_untold ON pace_orders (id) WHERE told_at_ms IS NULL;
CREATE INDEX pace_orders_standing ON pace_orders (until_ms) WHERE act = 'hold' AND over_at_ms IS NULL;
