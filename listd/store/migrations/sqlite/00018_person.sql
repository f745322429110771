-- +goose Up
-- key of the address whose person this further address of a member belongs to; '' it is his own
ALTER TABLE member ADD COLUMN person TEXT NOT NULL DEFAULT '';
CREATE INDEX member_of_person ON member (list, person) WHERE person <> '';
