-- Version 8: what a month is measured by, and what lists of many cases need.

-- The EdgeGuard that judged; null: written before this version.
ALTER TABLE verdicts ADD COLUMN version TEXT;
