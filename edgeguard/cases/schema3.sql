-- Version 3: what is told to programs, webhooks and whoever is on duty, written with its decision and delivered once.
-- Bodies of orders and decisions may hold what version 2 does not know (ends by boot time, pages).

CREATE TABLE deliveries (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    channel    TEXT NOT NULL CHECK (channel IN ('program', 'webhook', 'page', 'desk')),
    case_id    TEXT,             -- null: about the host, not about a case
    decision   TEXT,
    cause      TEXT,             -- of a page: one of model.PAGES
    body       TEXT NOT NULL,    -- the JSON document as it is handed over
    created    INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('ready', 'sent', 'failed', 'grouped')),  -- grouped: told by number in the next page of its cause
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_try   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    sent_at    INTEGER,
    CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CHECK (state != 'failed' OR last_error IS NOT NULL)
) STRICT;

CREATE INDEX deliveries_waiting ON deliveries (channel, seq) WHERE state = 'ready';
CREATE INDEX deliveries_by_case ON deliveries (case_id, seq);
-- What was decided lately, for a restart.
CREATE INDEX decisions_by_at ON decisions (at);

CREATE INDEX deliveries_pages ON deliveries (cause, created) WHERE channel = 'page';
