DROP TABLE tls_sessions;
DROP TABLE missing_domains;
DROP TABLE tls_required_domains;
DROP TABLE sts_policies;
ALTER TABLE deliveries DROP COLUMN tls;
