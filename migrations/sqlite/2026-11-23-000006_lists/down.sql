DROP INDEX services_living;
DROP TRIGGER services_counted_out;
DROP TRIGGER services_counted_over;
DROP TRIGGER services_counted_in;
DROP TABLE service_count;
