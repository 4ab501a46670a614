-- The last transaction of each connection: when the answer to a COMMIT is lost, whether it holds is read here. Used on PostgreSQL only.
CREATE TABLE commit_marks (
    connection BIGINT NOT NULL PRIMARY KEY,
    number     BIGINT NOT NULL,
    at_ms      BIGINT NOT NULL
);
