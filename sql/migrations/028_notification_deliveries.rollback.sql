SELECT refuse_to_drop_rows('notification_deliveries');

DROP TABLE notification_deliveries;
DROP FUNCTION summarise_delivery();
