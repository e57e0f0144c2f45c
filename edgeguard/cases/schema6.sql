-- Version 6: what a month is measured by, what many cases take on the disk, and lists of them.

-- The EdgeGuard that judged; null: written before this version.
ALTER TABLE verdicts ADD COLUMN version TEXT;

-- What was handed over is kept packed (packing.py): `body` is empty then, and `mail` null. Rows that wait, were refused, or
-- left before this version are as they were.
ALTER TABLE outbox ADD COLUMN packed BLOB CHECK (packed IS NULL OR (body = '' AND state = 'sent'));
ALTER TABLE outbox ADD COLUMN packed_mail BLOB CHECK (packed_mail IS NULL OR (mail IS NULL AND state = 'sent'));
ALTER TABLE deliveries ADD COLUMN packed BLOB CHECK (packed IS NULL OR (body = '' AND state = 'sent'));

CREATE INDEX cases_open ON cases (opened) WHERE closed IS NULL;
