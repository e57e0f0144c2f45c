-- Version 7: what people, and the owner, say of a case: written once, never changed. One person may hold, it takes
-- two to uphold, and an appeal is kept by a third: whoever writes.
CREATE TABLE words (
    seq       INTEGER PRIMARY KEY,
    case_id   TEXT NOT NULL REFERENCES cases (id),
    at        INTEGER NOT NULL,
    said      TEXT NOT NULL CHECK (said IN ('hold', 'voice', 'uphold', 'appeal', 'keep', 'reply', 'reopen')),
    principal TEXT NOT NULL CHECK (principal NOT IN ('', 'automation')),
    until     INTEGER,           -- when what it keeps ends at the latest
    reply     INTEGER REFERENCES replies (seq),  -- of the owner's
    body      TEXT NOT NULL,     -- word.Word
    CHECK (said NOT IN ('hold', 'uphold', 'keep') OR (until IS NOT NULL AND until > at)),
    CHECK (said != 'hold' OR until - at <= 43200000000000),
    CHECK (said NOT IN ('uphold', 'keep') OR until - at <= 1209600000000000),
    CHECK (principal != 'the owner' OR said IN ('appeal', 'reply'))
) STRICT;

CREATE INDEX words_by_case ON words (case_id, seq);
CREATE UNIQUE INDEX words_hold_once ON words (case_id) WHERE said = 'hold';
CREATE UNIQUE INDEX words_of_a_reply ON words (reply) WHERE reply IS NOT NULL;

CREATE TRIGGER words_stay BEFORE DELETE ON words BEGIN SELECT RAISE(ABORT, 'a word is never taken back'); END;
CREATE TRIGGER words_stand BEFORE UPDATE ON words BEGIN SELECT RAISE(ABORT, 'a word is never changed'); END;

CREATE TRIGGER uphold_takes_two BEFORE INSERT ON words
WHEN NEW.said = 'uphold' AND NOT EXISTS (SELECT 1 FROM words w WHERE w.case_id = NEW.case_id AND w.said = 'voice'
    AND w.principal != NEW.principal)  -- how old it may be is counted by a clock that nobody sets
BEGIN
    SELECT RAISE(ABORT, 'nothing is upheld by one person');
END;

CREATE TRIGGER appeal_takes_a_third BEFORE INSERT ON words
WHEN NEW.said = 'keep' AND (
    NOT EXISTS (SELECT 1 FROM words w WHERE w.case_id = NEW.case_id AND w.said = 'uphold')
    OR NOT EXISTS (SELECT 1 FROM words w WHERE w.case_id = NEW.case_id AND w.said = 'appeal')
    OR EXISTS (SELECT 1 FROM words w WHERE w.case_id = NEW.case_id AND w.principal = NEW.principal
        AND w.said IN ('hold', 'voice', 'uphold', 'keep')))
BEGIN
    SELECT RAISE(ABORT, 'an appeal is kept by a third person');
END;
