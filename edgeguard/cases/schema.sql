-- The case database, version 1. Applied statement by statement inside one transaction by database.py.
-- Times are nanoseconds since 1970. `body` columns hold a value of model.py as JSON (codec.py);
-- the columns beside it repeat what is searched or sorted by.

-- One row for one VM and one episode, from the first crossing until a person or the clock settles it.
CREATE TABLE cases (
    id        TEXT PRIMARY KEY,
    vm        TEXT,              -- null: the inventory did not know it
    vm_name   TEXT,
    tap       TEXT,
    ifindex   INTEGER,           -- with mac and vm the ledger's key: a tap's name may be the next customer's
    mac       TEXT,
    customer  TEXT,
    source    TEXT,              -- the address judged, where there is no attachment point
    opened    INTEGER NOT NULL,
    closed    INTEGER,
    state     TEXT NOT NULL,
    outcome   TEXT,              -- nothing is closed without one
    CHECK ((closed IS NULL) = (outcome IS NULL))
) STRICT;

CREATE INDEX cases_by_opened ON cases (opened);

-- The VM's addresses and prefixes, to find a case by any address in them.
CREATE TABLE case_addresses (
    case_id   TEXT NOT NULL REFERENCES cases (id),
    prefix    TEXT NOT NULL,     -- as in the inventory, '192.0.2.10/32'
    first     BLOB NOT NULL,     -- the family's number, 4 or 6, and the address's bytes: memcmp is the order
    last      BLOB NOT NULL,
    PRIMARY KEY (case_id, prefix)
) STRICT, WITHOUT ROWID;

CREATE TABLE verdicts (
    id        TEXT PRIMARY KEY,
    case_id   TEXT NOT NULL REFERENCES cases (id),
    at        INTEGER NOT NULL,
    body      TEXT NOT NULL      -- model.Verdict
) STRICT;

CREATE INDEX verdicts_by_case ON verdicts (case_id, at);

CREATE TABLE decisions (
    id        TEXT PRIMARY KEY,
    case_id   TEXT NOT NULL REFERENCES cases (id),
    verdict   TEXT REFERENCES verdicts (id),
    at        INTEGER NOT NULL,
    act       TEXT NOT NULL,
    enforced  INTEGER NOT NULL,
    until     INTEGER,
    body      TEXT NOT NULL,     -- model.Decision
    orders    TEXT,              -- model.Order as it was given, to put a null route back after a restart; null: nothing ordered
    ended     INTEGER,           -- when an outcome said that the null route is no more
    ended_how TEXT,              -- that outcome's model.Happened
    CHECK (act != 'null-route' OR until IS NOT NULL),
    CHECK (act != 'null-route' OR enforced = 0 OR orders IS NOT NULL),
    CHECK ((ended IS NULL) = (ended_how IS NULL))
) STRICT;

CREATE INDEX decisions_by_case ON decisions (case_id, at);
CREATE INDEX decisions_standing ON decisions (at) WHERE enforced = 1 AND act = 'null-route' AND ended IS NULL;

-- Which null routes a release ends.
CREATE TABLE releases (
    decision  TEXT NOT NULL REFERENCES decisions (id),
    ends      TEXT NOT NULL,     -- decision that null-routed; no reference: it may be from a lost database
    PRIMARY KEY (ends, decision)
) STRICT, WITHOUT ROWID;

-- What happened, in the order it was reported. No reference to decisions: what the kernel still held
-- from a lost database is reported too, and nothing reported is thrown away.
CREATE TABLE outcomes (
    seq       INTEGER PRIMARY KEY,
    decision  TEXT NOT NULL,
    at        INTEGER NOT NULL,
    happened  TEXT NOT NULL,
    body      TEXT NOT NULL      -- model.Outcome
) STRICT;

CREATE INDEX outcomes_by_decision ON outcomes (decision, seq);

-- Notices: written with their decision, sent once. seq is the order within a thread.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    case_id    TEXT NOT NULL REFERENCES cases (id),
    decision   TEXT NOT NULL REFERENCES decisions (id),
    kind       TEXT NOT NULL,
    recipient  TEXT,             -- null: the desk
    body       TEXT NOT NULL,    -- values, as JSON
    created    INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'ready', 'sent', 'failed')),
    due        INTEGER NOT NULL, -- waiting: for the proof, until then; ready: since then
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_try   INTEGER NOT NULL DEFAULT 0,  -- failed: when it was refused
    last_error TEXT,
    sent_at    INTEGER,          -- right after the mail server said 250
    message_id TEXT,
    mail       TEXT,             -- model.Mail as it left: subject, text, headers
    CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CHECK (state != 'failed' OR last_error IS NOT NULL)
) STRICT;

CREATE INDEX outbox_unsent ON outbox (case_id, recipient, seq) WHERE state IN ('waiting', 'ready');
CREATE INDEX outbox_by_case ON outbox (case_id, seq);

-- What people wrote, and what the daemon noticed about a case.
CREATE TABLE notes (
    seq       INTEGER PRIMARY KEY,
    case_id   TEXT NOT NULL REFERENCES cases (id),
    at        INTEGER NOT NULL,
    author    TEXT NOT NULL,     -- a role, or 'automation'
    text      TEXT NOT NULL
) STRICT;

CREATE INDEX notes_by_case ON notes (case_id, at);
