DROP TABLE unpushed_jobs;
DROP TABLE leases;
