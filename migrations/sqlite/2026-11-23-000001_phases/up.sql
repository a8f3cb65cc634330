-- Where the time of a probe went, in microseconds; they add up to the response time. Null for ticks that were imported.
ALTER TABLE service_ticks ADD COLUMN dns_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN connect_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN tls_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN first_byte_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN transfer_us BIGINT;
