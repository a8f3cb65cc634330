-- What an answer must fulfil, one condition a line; null for the plain rule (an answer below 400).
ALTER TABLE services ADD COLUMN conditions TEXT;
