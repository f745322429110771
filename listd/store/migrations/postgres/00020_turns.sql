-- +goose Up
-- Lists take turns, and notices stand in a queue of their own.
CREATE INDEX delivery_turn ON delivery (list, due, id) WHERE due IS NOT NULL AND kind = 'copy';
CREATE INDEX delivery_notice ON delivery (kind, due, id) WHERE due IS NOT NULL AND kind = 'notice';
-- copies of these lists wait until somebody resumes them
CREATE TABLE pause (
  list  BIGINT PRIMARY KEY, -- 0: all
  actor TEXT COLLATE "C" NOT NULL,
  at    BIGINT NOT NULL
);
