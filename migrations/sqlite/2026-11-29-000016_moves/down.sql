DROP TABLE moves;
DROP TABLE store;
