SELECT refuse_to_drop_rows('circuit_breaker_events', 'trading_controls', 'order_approvals');

DROP TABLE order_approvals;
DROP TABLE trading_controls;
DROP TABLE circuit_breaker_events;
DROP TABLE breaker_types;
