#!/bin/bash
# Owners and groups that an ordinary user may not give: shown as the host's, kept by commit, changed only by chgrp.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" -eq 0 ] || skip "only root can make files of a group that the user is not in"
need setpriv util-linux

USER_ID=54321
chmod 755 "$T"
mkdir "$T/store" "$T/h"
chown $USER_ID "$T/store"
install -m 755 "$COWBOX_BIN" "$T/cowbox"
# user COMMAND...: as an ordinary user in the groups 54321 and 54322
user() {
	(cd "$T/h" && setpriv --reuid $USER_ID --regid $USER_ID --groups $USER_ID,54322 env -i PATH="$PATH" HOME="$T/store" COWBOX_HOME="$T/store" "$@") \
		>"$T/out" 2>"$T/err" </dev/null
}
fresh() {
	rm -rf "$T/h"
	mkdir -p "$T/h/d"
	echo 1 >"$T/h/f"
	echo 1 >"$T/h/d/g"
	echo 1 >"$T/h/shared"
	chown -R $USER_ID:0 "$T/h"
	chmod 2775 "$T/h/d"
	chown 0:54322 "$T/h/shared"
	chmod 664 "$T/h/shared"
}
owners() { (cd "$T/h" && stat -c '%n %u:%g %a' . d f d/g shared); }

fresh
owners >"$T/before"
user "$T/cowbox" run -b o -- sh -c 'echo 2 >f; echo 2 >d/g; echo 2 >shared; stat -c "%n %u:%g %a" . d f d/g shared'
same "in the box they are as on the host" "$T/before" "$T/out"
user "$T/cowbox" status -b o
printf 'M  %s\n' "$T/h/d/g" "$T/h/f" "$T/h/shared" >"$T/want"
same "only contents changed" "$T/want" "$T/out"
user "$T/cowbox" commit -a -b o
check "commit" test "$(cat "$T/err")" = "cowbox: committed 3 changes of box o"
owners >"$T/after"
same "and on the host they are as before" "$T/before" "$T/after"
check "the contents are the box's" test "$(cat "$T/h/f" "$T/h/d/g" "$T/h/shared" | tr -d '\n')" = 222

fresh
user "$T/cowbox" run -b o -- sh -c 'echo 2 >f; chgrp 54322 f d; chgrp 0 d/g; stat -c "%n %g" f d'
printf 'f 54322\nd 54322\n' >"$T/want"
same "chgrp in the box" "$T/want" "$T/out"
user "$T/cowbox" status -b o
printf 'm  %s\nM  %s\n' "$T/h/d/" "$T/h/f" >"$T/want"
same "it is a change" "$T/want" "$T/out"
user "$T/cowbox" commit -a -b o
check "on the host" test "$(cd "$T/h" && stat -c %g f d d/g | tr '\n' ' ')" = "54322 54322 0 "

# A directory of such a group goes back to the host's when what changed in it is given up.
fresh
user "$T/cowbox" run -b o -- sh -c 'echo 2 >d/g; chgrp 54322 d'
user "$T/cowbox" discard -f -b o d
user "$T/cowbox" status -b o
check "nothing is left" test ! -s "$T/out"
user "$T/cowbox" run -b o -- stat -c %g d
check "the group is the host's" test "$(cat "$T/out")" = 0
finish
