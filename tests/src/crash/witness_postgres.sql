-- The schema of the version after this one, which only added: every process of the run is of the version before, and starts on it.
INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000');
ALTER TABLE deliveries ADD COLUMN later_version TEXT;
ALTER TABLE campaigns ADD COLUMN later_version TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN later_version BIGINT;
CREATE TABLE later_version (id BIGINT NOT NULL PRIMARY KEY);

-- What the harness sees of the product's transactions: a line of each, with it and in it. The commit's own time comes from the transaction.
CREATE TABLE witness (
    n          BIGSERIAL PRIMARY KEY,
    what       TEXT NOT NULL,
    id         BIGINT NOT NULL,
    campaign   BIGINT,
    subscriber BIGINT,
    old_state  SMALLINT,
    new_state  SMALLINT,
    text       TEXT,
    began      TIMESTAMPTZ NOT NULL DEFAULT transaction_timestamp()
);

CREATE FUNCTION witness_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (what, id, campaign, subscriber, old_state, new_state)
    VALUES ('moved', NEW.id, NEW.campaign_id, NEW.subscriber_id, OLD.state, NEW.state);
    RETURN NULL;
END $$;
CREATE TRIGGER witness_move AFTER UPDATE ON deliveries FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.kind = 0) EXECUTE FUNCTION witness_move();

CREATE FUNCTION witness_campaign() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF OLD.paused_at_ms IS NULL AND NEW.paused_at_ms IS NOT NULL THEN
        INSERT INTO witness (what, id) VALUES ('paused', NEW.id);
    END IF;
    IF OLD.paused_at_ms IS NOT NULL AND NEW.paused_at_ms IS NULL THEN
        INSERT INTO witness (what, id) VALUES ('resumed', NEW.id);
    END IF;
    IF OLD.state = 'draft' AND NEW.state = 'queuing' THEN
        INSERT INTO witness (what, id) VALUES ('launched', NEW.id);
    END IF;
    IF OLD.state <> 'cancelled' AND NEW.state = 'cancelled' THEN
        INSERT INTO witness (what, id) VALUES ('cancelled', NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER witness_campaign AFTER UPDATE ON campaigns FOR EACH ROW EXECUTE FUNCTION witness_campaign();

CREATE FUNCTION witness_suppression() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (what, id, text) VALUES ('suppressed', NEW.id, NEW.value);
    RETURN NULL;
END $$;
CREATE TRIGGER witness_suppression AFTER INSERT ON suppressions FOR EACH ROW
    WHEN (NEW.kind = 'address' AND NEW.list_id = 0 AND NEW.lane = -1) EXECUTE FUNCTION witness_suppression();

CREATE FUNCTION witness_leaving() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (what, id) VALUES ('unsubscribed', NEW.subscriber_id);
    RETURN NULL;
END $$;
CREATE TRIGGER witness_leaving AFTER UPDATE ON subscriptions FOR EACH ROW
    WHEN (OLD.status = 'subscribed' AND NEW.status = 'unsubscribed') EXECUTE FUNCTION witness_leaving();

CREATE FUNCTION witness_deletion() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (what, id) VALUES ('deleted', OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER witness_deletion AFTER DELETE ON subscribers FOR EACH ROW EXECUTE FUNCTION witness_deletion();

-- A list takes its subscriptions along, whoever was on it.
CREATE FUNCTION witness_list() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (what, id) VALUES ('unsubscribed', OLD.subscriber_id);
    RETURN NULL;
END $$;
CREATE TRIGGER witness_list AFTER DELETE ON subscriptions FOR EACH ROW
    WHEN (OLD.status = 'subscribed') EXECUTE FUNCTION witness_list();

-- How an attempt ended is told of the attempt that the row has come to: number, and where the row is.
CREATE FUNCTION witness_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness (what, id, old_state, new_state)
    SELECT 'told', d.id, NEW.number, d.attempt FROM deliveries d WHERE d.id = NEW.delivery_id AND d.kind = 0;
    RETURN NULL;
END $$;
CREATE TRIGGER witness_told AFTER INSERT OR UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION witness_told();
