-- Version 8: the cases of one customer that began within ten minutes of each other are one matter, named by its leader.
-- Written when a case is (together.py), and never changed. Null: it goes with nothing, as it is a victim's or nobody's.
ALTER TABLE cases ADD COLUMN leader TEXT REFERENCES cases (id);

CREATE INDEX cases_by_customer ON cases (customer, opened);
CREATE INDEX cases_by_leader ON cases (leader) WHERE leader IS NOT NULL;

CREATE TRIGGER cases_keep_their_leader BEFORE UPDATE OF leader ON cases
WHEN OLD.leader IS NOT NULL AND NEW.leader IS NOT OLD.leader
BEGIN
    SELECT RAISE(ABORT, 'a case stays with its leader');
END;

-- What is there: the oldest case of a customer leads, and after it always the first one that began ten minutes later.
-- A closed case of a victim has lost its state; its verdicts say what it was.
CREATE TABLE going AS SELECT id, customer, opened FROM cases WHERE customer IS NOT NULL
    AND state != 'victim' AND NOT EXISTS
    (SELECT 1 FROM verdicts v WHERE v.case_id = cases.id
        AND CASE WHEN json_valid(v.body) THEN json_extract(v.body, '$.rule') END LIKE '%-in');
CREATE INDEX going_by_customer ON going (customer, opened, id);

WITH RECURSIVE leaders (id, customer, opened) AS (
    SELECT g.id, g.customer, g.opened FROM (SELECT DISTINCT customer FROM going) c JOIN going g ON g.rowid =
        (SELECT rowid FROM going f WHERE f.customer = c.customer ORDER BY f.opened, f.id LIMIT 1)
    UNION ALL
    SELECT g.id, g.customer, g.opened FROM leaders l JOIN going g ON g.rowid =
        (SELECT rowid FROM going n WHERE n.customer = l.customer AND n.opened >= l.opened + 600000000000
            ORDER BY n.opened, n.id LIMIT 1)
)
UPDATE cases SET leader = id WHERE id IN (SELECT id FROM leaders);

UPDATE cases SET leader = (SELECT l.id FROM cases l WHERE l.customer = cases.customer AND l.leader = l.id
        AND l.opened <= cases.opened ORDER BY l.opened DESC LIMIT 1)
    WHERE leader IS NULL AND id IN (SELECT id FROM going);

DROP TABLE going;
