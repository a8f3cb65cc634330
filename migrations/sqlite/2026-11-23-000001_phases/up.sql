-- Duration of each phase in microseconds; the sum is the response time. Null for imported ticks.
ALTER TABLE service_ticks ADD COLUMN dns_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN connect_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN tls_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN first_byte_us BIGINT;
ALTER TABLE service_ticks ADD COLUMN transfer_us BIGINT;
