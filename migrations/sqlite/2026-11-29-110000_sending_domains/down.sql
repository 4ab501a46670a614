DROP TABLE domain_records;
DROP TABLE dkim_keys;
DROP TABLE sending_domains;
