-- +goose Up
-- NULL: a copy of its own; 0: it waits to be gathered into a digest; else the delivery that is the digest it is in
ALTER TABLE delivery ADD COLUMN digest INTEGER;
CREATE INDEX delivery_gather ON delivery (list, address) WHERE digest = 0;
CREATE INDEX delivery_gathered ON delivery (digest) WHERE digest > 0;
