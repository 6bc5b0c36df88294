#!/bin/bash
# tar and unzip of thousands of files; times of files and directories come from the archive.
. "$(dirname "$0")/lib.sh"
need tar tar
need unzip unzip
need python3 python3

setup_archives() {
	python3 - <<'END'
import io, os, tarfile, zipfile
tar = tarfile.open("a.tar.gz", "w:gz", compresslevel=1)
zp = zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
def add(name, data=b"", mode=0o644, type=tarfile.REGTYPE, target="", when=1500000000):
    t = tarfile.TarInfo(name)
    t.mode, t.type, t.linkname, t.mtime, t.size = mode, type, target, when, len(data)
    t.uid = t.gid = os.getuid() and os.getgid() or 1000
    tar.addfile(t, io.BytesIO(data))
n = 0
add("big", mode=0o755, type=tarfile.DIRTYPE, when=1400000000)
for d in range(40):
    add("big/d%02d" % d, mode=0o755, type=tarfile.DIRTYPE, when=1400000000 + d)
    for s in range(6):
        add("big/d%02d/s%d" % (d, s), mode=0o750, type=tarfile.DIRTYPE, when=1450000000 + d * 100 + s)
        for f in range(10):
            n += 1
            name = "big/d%02d/s%d/file%d.txt" % (d, s, f)
            data = (name * (f * 9 + 1)).encode()
            add(name, data, 0o600 + (f * 9) % 64, when=1500000000 + n)
            zi = zipfile.ZipInfo(name, (2015, 1 + n % 12, 1 + n % 28, 3, 4, 2 * (n % 30)))
            zi.external_attr = (0o100644 + (f % 2) * 0o111) << 16
            zp.writestr(zi, data)
add("big/link", type=tarfile.SYMTYPE, target="d00/s0/file1.txt")
add("big/dangling", type=tarfile.SYMTYPE, target="/nowhere/at/all")
add("big/hard", type=tarfile.LNKTYPE, target="big/d01/s1/file1.txt")
add("big/setuid", b"x", 0o4755)
add("big/fifo", mode=0o622, type=tarfile.FIFOTYPE)
add("big/caf\udce9".encode("utf-8", "surrogateescape").decode("latin-1"), b"latin", 0o644)
tar.close(); zp.close()
END
	mkdir old
	tar xf a.tar.gz -C old
}

cmd_tar() { mkdir out && tar xpf a.tar.gz -C out && find out -type f | wc -l && cat out/big/hard | cksum; }
cmd_tar_over() { tar xpf a.tar.gz -C old && find old -printf '%p %M %s %T@\n' | sort | cksum; }
cmd_tar_create() { tar --sort=name -cf new.tar old && tar tvf new.tar | cksum && tar df new.tar; }
cmd_unzip() { unzip -q a.zip -d out && find out -type f | wc -l && cat out/big/d1*/s3/* | cksum; }
cmd_unzip_over() { unzip -oq a.zip -d old && unzip -tq a.zip && find old -newermt 2019-01-01 -type f | wc -l; }

KEEP_TIMES=1
DIR_TIMES=1
both tar setup_archives cmd_tar
both tar-over setup_archives cmd_tar_over
both tar-create setup_archives cmd_tar_create
both unzip setup_archives cmd_unzip
both unzip-over setup_archives cmd_unzip_over
finish
