-- +goose Up
-- A key has a life: requested, staged, active, decrypt-only, retired.
ALTER TABLE list_key ADD COLUMN usage TEXT COLLATE "C" NOT NULL DEFAULT 'both'; -- what its certificate lets it do: sign, encrypt, both
ALTER TABLE list_key ADD COLUMN since BIGINT NOT NULL DEFAULT 0; -- when it came into its state
ALTER TABLE list_key ADD COLUMN until BIGINT NOT NULL DEFAULT 0; -- decrypt-only: when it is to be retired; 0: by hand
UPDATE list_key SET since = created;
