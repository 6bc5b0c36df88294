#!/bin/bash
# sqlite3 with a write-ahead log: shared memory, locks between processes, recovery of what a killed writer left.
. "$(dirname "$0")/lib.sh"
need sqlite3 sqlite3
need python3 python3
SEAL_FLAGS="-x *-wal -x *-shm -x shared.db"

setup_db() {
	sqlite3 old.db >/dev/null <<'END'
PRAGMA journal_mode=WAL;
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000) INSERT INTO t SELECT x, 'row ' || x FROM c;
END
	cp old.db shared.db
	# a writer that ends without closing: its log stays
	python3 - <<'END'
import os, sqlite3
c = sqlite3.connect("torn.db", isolation_level=None)
c.execute("PRAGMA journal_mode=WAL")
c.execute("CREATE TABLE t(a)")
for i in range(50):
    c.execute("INSERT INTO t VALUES(?)", (i,))
os._exit(0)
END
	ls torn.db-wal
}
cmd_wal() {
	sqlite3 new.db 'PRAGMA journal_mode=WAL; CREATE TABLE n(x); INSERT INTO n VALUES(1),(2); SELECT sum(x) FROM n;' &&
		sqlite3 old.db 'UPDATE t SET b = upper(b) WHERE a % 3 = 0; DELETE FROM t WHERE a % 7 = 0; PRAGMA wal_checkpoint; SELECT count(*), max(b) FROM t;' &&
		sqlite3 old.db 'PRAGMA journal_mode=DELETE; VACUUM; PRAGMA integrity_check;' &&
		sqlite3 torn.db 'SELECT count(*), sum(a) FROM t; INSERT INTO t VALUES(99); PRAGMA integrity_check;'
}
cmd_shared() {
	local i j
	for i in 1 2 3 4; do
		(
			for j in $(seq 1 15); do
				sqlite3 -cmd '.timeout 20000' shared.db "INSERT INTO t(b) VALUES('w$i-$j');" || echo "failed $i $j"
			done
		) &
	done
	wait
	sqlite3 shared.db "SELECT count(*) FROM t; SELECT count(*) FROM t WHERE b LIKE 'w%'; PRAGMA integrity_check;"
}
cmd_held() {
	python3 - <<'END'
import sqlite3, subprocess
c = sqlite3.connect("shared.db", isolation_level=None)
c.execute("BEGIN IMMEDIATE")
p = subprocess.run(["sqlite3", "shared.db", "INSERT INTO t(b) VALUES('x');"], capture_output=True, text=True)
print(p.returncode, p.stderr)
c.execute("INSERT INTO t(b) VALUES('mine')")
c.execute("COMMIT")
print(subprocess.run(["sqlite3", "shared.db", "SELECT count(*) FROM t"], capture_output=True, text=True).stdout)
END
}
check_db() { local f; for f in *.db; do sqlite3 "$f" 'PRAGMA integrity_check; SELECT count(*) FROM sqlite_master;'; done; sqlite3 old.db 'SELECT * FROM t' | cksum; }

both wal setup_db cmd_wal check_db
both shared setup_db cmd_shared check_db
both held setup_db cmd_held check_db
finish
