-- Ticks that a running sealing has not reached return to the fresh ticks; the others are sealed.
DROP VIEW fresh_ticks;

INSERT INTO service_ticks
    (id, service_id, step_back, is_up, is_unknown, http_status, failure, created_at_ms,
     dns_us, connect_us, tls_us, first_byte_us, transfer_us, unphased_us)
SELECT id, service_id, step_back, is_up, is_unknown, http_status, failure, created_at_ms,
    dns_us, connect_us, tls_us, first_byte_us, transfer_us, unphased_us
FROM sealing_ticks WHERE service_id > (SELECT sealing_service_id FROM history);
-- Ids are never reused, even when their rows are gone.
UPDATE history SET sealed_tick_id = max(sealed_tick_id, coalesce(sealing_tick_id, 0));
DROP TABLE sealing_ticks;

ALTER TABLE history DROP COLUMN sealing_tick_count;
ALTER TABLE history DROP COLUMN sealing_service_id;
ALTER TABLE history DROP COLUMN sealing_event_id;
ALTER TABLE history DROP COLUMN sealing_tick_id;
