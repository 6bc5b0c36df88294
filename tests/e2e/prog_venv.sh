#!/bin/bash
# python3 -m venv, pip install of a wheel made here, and running its script through its #! line, which names the box's own python.
. "$(dirname "$0")/lib.sh"
PYTHON=/usr/bin/python3
[ -x $PYTHON ] || skip "needs /usr/bin/python3 (apt-get install python3)"
$PYTHON -c 'import ensurepip' 2>/dev/null || skip "needs ensurepip (apt-get install python3-venv)"

# Compiled files hold the time of their source.
SEAL_FLAGS="-x *.pyc"

setup_wheel() {
	/usr/bin/python3 - <<'END'
import base64, hashlib, zipfile
files = {
    "moo/__init__.py": "def main():\n    import sys\n    print('moo', sys.argv[1:], sys.prefix != sys.base_prefix)\n",
    "moo/data.txt": "data\n" * 1000,
    "moo-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: moo\nVersion: 1.0\n",
    "moo-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "moo-1.0.dist-info/entry_points.txt": "[console_scripts]\nmoo = moo:main\n",
}
for i in range(60):
    files["moo/part%d.py" % i] = "VALUE = %d\ndef f():\n    return VALUE\n" % i
def digest(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
record = "".join("%s,%s,%d\n" % (n, digest(t.encode()), len(t)) for n, t in files.items())
files["moo-1.0.dist-info/RECORD"] = record + "moo-1.0.dist-info/RECORD,,\n"
with zipfile.ZipFile("moo-1.0-py3-none-any.whl", "w") as z:
    for n, t in files.items():
        z.writestr(n, t)
END
}
cmd_venv() {
	/usr/bin/python3 -m venv env &&
		env/bin/pip install -q --no-index --disable-pip-version-check --no-cache-dir ./moo-1.0-py3-none-any.whl &&
		env/bin/moo a b && head -1 env/bin/moo && env/bin/python -c 'import sys, moo.part7; print(sys.prefix, sys.executable, moo.part7.f())' &&
		. env/bin/activate && moo c && pip list --disable-pip-version-check && readlink -f env/bin/python
}
setup_existing() {
	setup_wheel
	/usr/bin/python3 -m venv --without-pip env
}
cmd_existing() {
	printf '#!%s/env/bin/python\nimport sys\nprint("script", sys.argv, sys.executable)\n' "$PWD" >tool && chmod +x tool && ./tool x &&
		rm env/bin/python3 && cp /usr/bin/python3 env/bin/python3 && ./tool y && mv env env2 && { ./tool z; echo "status $?"; }
}
check_moo() { env/bin/moo d; }

both venv setup_wheel cmd_venv check_moo
both existing setup_existing cmd_existing
finish
