-- Version 5: states as states.toml names them. A case whose null route has ended is on probation until it is settled.
UPDATE cases SET state = 'probation' WHERE state IN ('released', 'tap gone');

-- What a person found who released: nothing is released by a person without it, whoever writes.
CREATE TABLE dispositions (
    decision    TEXT PRIMARY KEY REFERENCES decisions (id) DEFERRABLE INITIALLY DEFERRED,
    disposition TEXT NOT NULL CHECK (disposition IN ('exempt', 'fixed', 'rebuilt', 'unverified', 'our-fault')),
    principal   TEXT NOT NULL CHECK (principal NOT IN ('', 'automation')),
    reason      TEXT NOT NULL CHECK (trim(reason) != '')
) STRICT, WITHOUT ROWID;

-- Traffic of a VM that automation leaves alone. One person may say so for 30 days; for longer two do.
CREATE TABLE exemptions (
    id          TEXT PRIMARY KEY,
    vm          TEXT NOT NULL,
    release     TEXT REFERENCES decisions (id) DEFERRABLE INITIALLY DEFERRED,  -- it came with; null: by itself
    since       INTEGER NOT NULL,
    until       INTEGER NOT NULL,
    principal   TEXT NOT NULL,
    second      TEXT,            -- who agreed to more than 30 days
    body        TEXT NOT NULL,   -- grace.Exemption
    ended       INTEGER,         -- by a person, before its time
    ended_by    TEXT,
    ended_why   TEXT,
    CHECK (until > since),
    CHECK (until - since <= 2592000000000000 OR (second IS NOT NULL AND second != principal)),
    CHECK ((ended IS NULL) = (ended_by IS NULL) AND (ended IS NULL) = (ended_why IS NULL))
) STRICT;

CREATE INDEX exemptions_by_vm ON exemptions (vm, until);

CREATE TRIGGER release_needs_a_disposition BEFORE INSERT ON decisions
WHEN NEW.act = 'release' AND json_extract(NEW.body, '$.by') IS NOT 'automation'
    AND NOT EXISTS (SELECT 1 FROM dispositions WHERE decision = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'a person''s release without a disposition');
END;

CREATE TRIGGER release_keeps_its_disposition BEFORE UPDATE OF id, act, body ON decisions
WHEN NEW.act = 'release' AND json_extract(NEW.body, '$.by') IS NOT 'automation'
    AND NOT EXISTS (SELECT 1 FROM dispositions WHERE decision = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'a person''s release without a disposition');
END;

CREATE TRIGGER dispositions_stay BEFORE DELETE ON dispositions
BEGIN
    SELECT RAISE(ABORT, 'a disposition is never taken back');
END;

CREATE TRIGGER exempt_needs_an_exemption BEFORE INSERT ON dispositions
WHEN NEW.disposition = 'exempt' AND NOT EXISTS (SELECT 1 FROM exemptions WHERE release = NEW.decision)
BEGIN
    SELECT RAISE(ABORT, 'released as exempt without an exemption');
END;

-- How a case ended by a person's word: once, with its cause.
CREATE TABLE judgements (
    case_id     TEXT PRIMARY KEY REFERENCES cases (id),
    at          INTEGER NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('confirmed', 'undetermined', 'overturned')),
    principal   TEXT NOT NULL CHECK (principal NOT IN ('', 'automation')),
    cause       TEXT NOT NULL CHECK (trim(cause) != '')
) STRICT, WITHOUT ROWID;
