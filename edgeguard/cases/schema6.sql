-- Version 6: what a month is measured by, what many cases take on the disk, and lists of them.

-- The EdgeGuard that judged; null: written before this version.
ALTER TABLE verdicts ADD COLUMN version TEXT;

-- Long texts are packed (packing.py): `body` holds what is searched of them then, `mail` nothing. Null in rows that were
-- written before this version.
ALTER TABLE verdicts ADD COLUMN packed BLOB;
ALTER TABLE decisions ADD COLUMN packed BLOB;
ALTER TABLE outbox ADD COLUMN packed BLOB CHECK (packed IS NULL OR body = '');
ALTER TABLE outbox ADD COLUMN packed_mail BLOB CHECK (packed_mail IS NULL OR (mail IS NULL AND state = 'sent'));
ALTER TABLE deliveries ADD COLUMN packed BLOB CHECK (packed IS NULL OR body = '');

CREATE INDEX cases_open ON cases (opened) WHERE closed IS NULL;
-- How many deliveries wait or were given up, asked at every look of those who hand them over.
CREATE INDEX deliveries_unsent ON deliveries (channel, state) WHERE state IN ('ready', 'failed');
