-- A workspace has any number of routes, each with its own addresses, limits and plan, and pools of routes that share work by weight.
ALTER TABLE routes ADD COLUMN enabled BOOLEAN NOT NULL DEFAULT TRUE;
-- The addresses that a direct route sends from; empty: whichever the machine takes.
ALTER TABLE routes ADD COLUMN source_v4 TEXT NOT NULL DEFAULT '';
ALTER TABLE routes ADD COLUMN source_v6 TEXT NOT NULL DEFAULT '';
-- In EHLO when it sends from source_v6; empty: as ehlo_name.
ALTER TABLE routes ADD COLUMN ehlo_name_v6 TEXT NOT NULL DEFAULT '';
-- Messages in each window, over all workers; 0: no limit.
ALTER TABLE routes ADD COLUMN max_per_minute INTEGER NOT NULL DEFAULT 0;
ALTER TABLE routes ADD COLUMN max_per_hour INTEGER NOT NULL DEFAULT 0;
ALTER TABLE routes ADD COLUMN max_per_day INTEGER NOT NULL DEFAULT 0;
-- The warm-up plan: messages to one provider on the first day (0: no plan), what a day grows by in percent of the day before, and
-- the number from which on nothing is limited any more.
ALTER TABLE routes ADD COLUMN warm_up_start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE routes ADD COLUMN warm_up_growth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE routes ADD COLUMN warm_up_full INTEGER NOT NULL DEFAULT 0;

-- The circuit breaker of a route that failed lately; no row: nothing did.
CREATE TABLE breakers (
    route_id     BIGINT NOT NULL PRIMARY KEY REFERENCES routes (id) ON DELETE CASCADE,
    workspace_id BIGINT NOT NULL,
    -- In a row, over all workers.
    failures     INTEGER NOT NULL,
    failed_at_ms BIGINT,
    -- For a direct route: whom nobody could reach, each with a domain whose mail goes there, separated by commas. One silent receiver
    -- says nothing of the route.
    providers    TEXT NOT NULL DEFAULT '',
    -- NULL: closed, the failures are only counted.
    opened_at_ms BIGINT,
    -- From then on one worker may try, with one connection; it has until probing_until_ms.
    probe_at_ms  BIGINT,
    probing_until_ms BIGINT,
    -- Tries that failed.
    probes       INTEGER NOT NULL DEFAULT 0,
    why          TEXT NOT NULL
);

-- What each worker found when it tried to take the source addresses of a route; an empty problem: it can.
CREATE TABLE route_workers (
    worker_id TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    route_id  BIGINT NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
    problem   TEXT NOT NULL,
    PRIMARY KEY (worker_id, route_id)
);

-- The last check of a route that a person asked for. A worker does it.
CREATE TABLE route_checks (
    route_id     BIGINT NOT NULL PRIMARY KEY REFERENCES routes (id) ON DELETE CASCADE,
    workspace_id BIGINT NOT NULL,
    asked_at_ms  BIGINT NOT NULL,
    taken_by     TEXT NOT NULL DEFAULT '',
    taken_at_ms  BIGINT,
    done_at_ms   BIGINT,
    good         BOOLEAN NOT NULL DEFAULT FALSE,
    words        TEXT NOT NULL DEFAULT ''
);

CREATE TABLE pools (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    workspace_id  BIGINT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    UNIQUE (workspace_id, name)
);

CREATE TABLE pool_routes (
    pool_id      BIGINT NOT NULL REFERENCES pools (id) ON DELETE CASCADE,
    route_id     BIGINT NOT NULL REFERENCES routes (id),
    workspace_id BIGINT NOT NULL,
    weight       INTEGER NOT NULL CHECK (weight > 0),
    PRIMARY KEY (pool_id, route_id)
);

-- How mail leaves that says nothing else: a pool, else a route, else the workspace's first route.
ALTER TABLE workspaces ADD COLUMN route_id BIGINT;
ALTER TABLE workspaces ADD COLUMN pool_id BIGINT;
-- Beside route_id; at most one of the two. Frozen at launch.
ALTER TABLE campaigns ADD COLUMN pool_id BIGINT;

-- Where a route stands in its warm-up with each provider. Days are counted in UTC, as whole days since the Unix epoch.
CREATE TABLE warm_ups (
    route_id     BIGINT NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
    provider_id  BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    -- The plan's day, from 1, on this date.
    day          INTEGER NOT NULL,
    date         BIGINT NOT NULL,
    -- Why the day did not advance; empty when it did.
    stays        TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (route_id, provider_id)
);

-- What came of the messages of a direct route by day, written in the transaction of the outcome.
CREATE TABLE route_counts (
    route_id     BIGINT NOT NULL,
    provider_id  BIGINT NOT NULL,
    date         BIGINT NOT NULL,
    outcome      TEXT NOT NULL CHECK (outcome IN ('accepted', 'deferred', 'unknown_user', 'refused', 'complained')),
    workspace_id BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    PRIMARY KEY (route_id, provider_id, date, outcome)
);
CREATE INDEX route_counts_by_date ON route_counts (date);
