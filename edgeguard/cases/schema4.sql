-- Version 4: what comes in from outside. Rows of replies and signals are written once and never changed.

CREATE TABLE replies (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,  -- of the mail's bytes: read twice it is one reply
    case_id      TEXT REFERENCES cases (id),  -- null: it names no case of ours; `filings` may say whose it is
    at           INTEGER NOT NULL,      -- when it was read
    sort         TEXT NOT NULL CHECK (sort IN ('reply', 'bounce', 'automatic', 'unreadable')),
    sender       TEXT,                  -- as the mail says; it may be forged
    notice       TEXT,                  -- of a bounce: the notice that came back
    acknowledged TEXT,                  -- the notice that told the sender that it is here
    read_by      INTEGER,               -- until when a person reads it, where that was promised
    body         TEXT NOT NULL          -- incoming.Reply
) STRICT;

CREATE INDEX replies_by_case ON replies (case_id, at);
CREATE INDEX replies_unmatched ON replies (seq) WHERE case_id IS NULL;
CREATE INDEX replies_promised ON replies (read_by) WHERE read_by IS NOT NULL;
CREATE INDEX replies_of_notice ON replies (notice) WHERE notice IS NOT NULL;

CREATE TRIGGER replies_are_kept BEFORE DELETE ON replies BEGIN SELECT RAISE(ABORT, 'a reply is never deleted'); END;
CREATE TRIGGER replies_stand BEFORE UPDATE ON replies BEGIN SELECT RAISE(ABORT, 'a reply is never changed'); END;

-- A person looked at a reply that named no case.
CREATE TABLE filings (
    reply     INTEGER PRIMARY KEY REFERENCES replies (seq),
    case_id   TEXT REFERENCES cases (id),  -- null: it belongs to none
    at        INTEGER NOT NULL,
    by        TEXT NOT NULL
) STRICT;

-- What others report of our addresses. The report is for the desk: nothing of it is ever shown to a customer.
CREATE TABLE signals (
    seq       INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,     -- the report's own
    case_id   TEXT REFERENCES cases (id),  -- null: the address is none of ours
    at        INTEGER NOT NULL,         -- when it was read
    source    TEXT NOT NULL,            -- the address reported
    sort      TEXT NOT NULL,            -- 'connection/ddos'
    seen      INTEGER NOT NULL,         -- when the reporter saw it
    measured  TEXT NOT NULL,            -- what we measured ourselves around that time, in words
    body      TEXT NOT NULL             -- the report, all of it
) STRICT;

CREATE INDEX signals_by_case ON signals (case_id, at);

CREATE TRIGGER signals_are_kept BEFORE DELETE ON signals BEGIN SELECT RAISE(ABORT, 'a signal is never deleted'); END;
CREATE TRIGGER signals_stand BEFORE UPDATE ON signals BEGIN SELECT RAISE(ABORT, 'a signal is never changed'); END;
