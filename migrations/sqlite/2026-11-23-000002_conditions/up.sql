-- Conditions on the response, one a line; null for the plain rule (a status below 400).
ALTER TABLE services ADD COLUMN conditions TEXT;
