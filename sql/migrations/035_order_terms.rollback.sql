SELECT refuse_to_drop_rows('orders');

ALTER TABLE orders DROP COLUMN terms;
