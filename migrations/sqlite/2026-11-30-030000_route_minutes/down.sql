DROP TABLE route_minutes;
