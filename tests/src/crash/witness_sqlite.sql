-- What the harness sees of the product's transactions: a line of each, with it and in it. SQLite commits one by one, in this order.
CREATE TABLE witness (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    what       TEXT NOT NULL,
    id         BIGINT NOT NULL,
    campaign   BIGINT,
    subscriber BIGINT,
    old_state  SMALLINT,
    new_state  SMALLINT,
    text       TEXT,
    at_ms      BIGINT NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
);

CREATE TRIGGER witness_move AFTER UPDATE ON deliveries WHEN OLD.state <> NEW.state AND NEW.kind = 0 BEGIN
    INSERT INTO witness (what, id, campaign, subscriber, old_state, new_state)
    VALUES ('moved', NEW.id, NEW.campaign_id, NEW.subscriber_id, OLD.state, NEW.state);
END;

CREATE TRIGGER witness_pause AFTER UPDATE ON campaigns WHEN OLD.paused_at_ms IS NULL AND NEW.paused_at_ms IS NOT NULL BEGIN
    INSERT INTO witness (what, id) VALUES ('paused', NEW.id);
END;
CREATE TRIGGER witness_resumption AFTER UPDATE ON campaigns WHEN OLD.paused_at_ms IS NOT NULL AND NEW.paused_at_ms IS NULL BEGIN
    INSERT INTO witness (what, id) VALUES ('resumed', NEW.id);
END;
CREATE TRIGGER witness_launch AFTER UPDATE ON campaigns WHEN OLD.state = 'draft' AND NEW.state = 'queuing' BEGIN
    INSERT INTO witness (what, id) VALUES ('launched', NEW.id);
END;
CREATE TRIGGER witness_cancellation AFTER UPDATE ON campaigns WHEN OLD.state <> 'cancelled' AND NEW.state = 'cancelled' BEGIN
    INSERT INTO witness (what, id) VALUES ('cancelled', NEW.id);
END;

CREATE TRIGGER witness_suppression AFTER INSERT ON suppressions
WHEN NEW.kind = 'address' AND NEW.list_id = 0 AND NEW.lane = -1 BEGIN
    INSERT INTO witness (what, id, text) VALUES ('suppressed', NEW.id, NEW.value);
END;

CREATE TRIGGER witness_leaving AFTER UPDATE ON subscriptions
WHEN OLD.status = 'subscribed' AND NEW.status = 'unsubscribed' BEGIN
    INSERT INTO witness (what, id) VALUES ('unsubscribed', NEW.subscriber_id);
END;

CREATE TRIGGER witness_deletion AFTER DELETE ON subscribers BEGIN
    INSERT INTO witness (what, id) VALUES ('deleted', OLD.id);
END;

-- A list takes its subscriptions along, whoever was on it.
CREATE TRIGGER witness_list AFTER DELETE ON subscriptions WHEN OLD.status = 'subscribed' BEGIN
    INSERT INTO witness (what, id) VALUES ('unsubscribed', OLD.subscriber_id);
END;

-- How an attempt ended is told of the attempt that the row has come to: number, and where the row is.
CREATE TRIGGER witness_told AFTER INSERT ON attempts BEGIN
    INSERT INTO witness (what, id, old_state, new_state)
    SELECT 'told', d.id, NEW.number, d.attempt FROM deliveries d WHERE d.id = NEW.delivery_id AND d.kind = 0;
END;
CREATE TRIGGER witness_told_again AFTER UPDATE ON attempts BEGIN
    INSERT INTO witness (what, id, old_state, new_state)
    SELECT 'told', d.id, NEW.number, d.attempt FROM deliveries d WHERE d.id = NEW.delivery_id AND d.kind = 0;
END;
