ALTER TABLE services DROP COLUMN conditions;
