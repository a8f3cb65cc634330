ALTER TABLE service_ticks DROP COLUMN transfer_us;
ALTER TABLE service_ticks DROP COLUMN first_byte_us;
ALTER TABLE service_ticks DROP COLUMN tls_us;
ALTER TABLE service_ticks DROP COLUMN connect_us;
ALTER TABLE service_ticks DROP COLUMN dns_us;
