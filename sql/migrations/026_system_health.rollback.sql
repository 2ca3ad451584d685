-- Only the latest state, overwritten at every check: nothing is lost.
DROP TABLE system_health;
