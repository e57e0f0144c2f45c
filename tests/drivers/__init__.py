"""Small DB-API 2.0 modules over sqlite3, one for each paramstyle that it has not itself; and one that lies."""
