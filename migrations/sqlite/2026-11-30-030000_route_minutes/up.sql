-- Messages that each route with a limit for a minute, an hour or a day, or with a warm-up plan, handed over, by provider and minute since
-- 1970, UTC: what a queue that begins anew is told.
CREATE TABLE route_minutes (
    route_id     BIGINT NOT NULL,
    provider_id  BIGINT NOT NULL,
    minute       BIGINT NOT NULL,
    workspace_id BIGINT NOT NULL,
    n            BIGINT NOT NULL,
    PRIMARY KEY (route_id, provider_id, minute)
);
CREATE INDEX route_minutes_by_minute ON route_minutes (minute);
-- What is known of the days of warm-up, counted to their first minute.
INSERT INTO route_minutes (route_id, provider_id, minute, workspace_id, n)
SELECT c.route_id, c.provider_id, c.date * 1440, c.workspace_id, SUM(c.n)
FROM route_counts c JOIN routes r ON r.id = c.route_id
WHERE c.outcome <> 'complained' AND r.warm_up_start > 0 AND c.date = (SELECT MAX(date) FROM route_counts)
GROUP BY c.route_id, c.provider_id, c.date, c.workspace_id;
