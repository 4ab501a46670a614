-- When the last post came that was refused: beside last_refusal, which says why.
ALTER TABLE webhooks ADD COLUMN last_refused_at_ms BIGINT;
