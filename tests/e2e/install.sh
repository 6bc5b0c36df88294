#!/bin/bash
# What `cmake --install` puts in place: the program, the manual page, and the library, with which a program of somebody else's is built.
#
#   COWBOX_BUILD, COWBOX_SOURCE, CMAKE, CC, CFLAGS   from ctest; a build tree that is there already is installed
. "$(dirname "$0")/lib.sh"
[ -n "${COWBOX_BUILD:-}" ] || skip "COWBOX_BUILD names no build tree (ctest sets it)"
need pkg-config pkg-config
P=$T/prefix

# /tmp may be elsewhere than the build tree, and the build tree somebody else's: --install writes install_manifest.txt there.
if [ -w "$COWBOX_BUILD" ]; then
	"$CMAKE" --install "$COWBOX_BUILD" --prefix "$P" >"$T/install.log" 2>&1
	check "cmake --install (status $?)" test $? = 0 || show "$T/install.log"
else
	skip "$COWBOX_BUILD cannot be written to"
fi

# ---- the program ----
"$P/bin/cowbox" --version >"$T/version" 2>&1
check "the program runs" grep -q '^cowbox [0-9]' "$T/version"
COWBOX_HOME=$T/store "$P/bin/cowbox" run -b inst -- sh -c "echo made >'$T/made'" >"$T/run.log" 2>&1
check "and does its work" test $? = 0 -a ! -e "$T/made" || show "$T/run.log"

# ---- the manual page ----
page=$P/share/man/man1/cowbox.1
check "the manual page is there" test -s "$page"
if command -v man >/dev/null 2>&1; then
	MANWIDTH=100 MAN_KEEP_FORMATTING= man --warnings -l "$page" >"$T/page" 2>"$T/page.err"
	check "man shows it" grep -q 'cowbox run' "$T/page"
	check "without warnings" test ! -s "$T/page.err" || show "$T/page.err"
else
	skip_part "how man shows the page: man is not installed"
fi

check "and what it refers to" test -s "$P/share/doc/cowbox/MERGE-CASES.md"

# ---- the library ----
cat >"$T/user.c" <<'C'
#include <cowbox/cowbox.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	_cleanup_store_ struct store *store = NULL;
	_cleanup_strv_ char **names = NULL;
	struct err err = { 0 };

	cred_init();
	if (store_open(false, &store, &err) < 0 || store_list(store, &names, &err) < 0) {
		fprintf(stderr, "%s: %s\n", argv[0], err.msg);
		return 1;
	}
	for (char **n = names; *n; n++) {
		_cleanup_box_ struct box *box = NULL;
		struct overlay *ov = NULL;
		struct changes changes;

		if (box_open(store, *n, &box, &err) < 0 || overlay_new(box, &ov, &err) < 0 || changes_collect(ov, 0, &changes, &err) < 0) {
			fprintf(stderr, "%s: %s\n", *n, err.msg);
			return 1;
		}
		for (size_t i = 0; i < changes.count; i++)
			printf("%s %c %s\n", *n, (char)changes.list[i].kind, changes.list[i].path);
		if (argc > 1 && diff_write(ov, &changes, NULL, 0, 0, stdout, &err) < 0) {
			fprintf(stderr, "%s: %s\n", *n, err.msg);
			return 1;
		}
		changes_release(&changes);
		overlay_free(ov);
	}
	return 0;
}
C
pc=$(find "$P" -name cowbox.pc)
check "the .pc file is there" test -n "$pc"
export PKG_CONFIG_PATH=${pc%/*}
check "pkg-config knows it" pkg-config --exists --print-errors cowbox
is_version() { [ "cowbox $(pkg-config --modversion cowbox)" = "$(head -n 1 "$T/version")" ]; }
check "its version is the program's" is_version
# shellcheck disable=SC2046,SC2086
"${CC:-cc}" -std=gnu17 -Wall -Wextra -Werror ${CFLAGS:-} -o "$T/user" "$T/user.c" $(pkg-config --cflags --libs cowbox) >"$T/cc.log" 2>&1
check "a program is built with it (status $?)" test $? = 0 || show "$T/cc.log"
COWBOX_HOME=$T/store "$T/user" diff >"$T/user.out" 2>"$T/user.err"
check "it runs (status $?)" test $? = 0 || show "$T/user.err"
check "it lists what the box changed" grep -qxF "inst A $T/made" "$T/user.out" || show "$T/user.out"
check "and shows the diff" grep -qx '+made' "$T/user.out" || show "$T/user.out"
# a header that is installed includes no header that is not
for h in $(cd "$P/include/cowbox" && find . -name '*.h'); do
	echo "#include <${h#./}>" >"$T/one.c"
	# shellcheck disable=SC2046
	check "$h compiles alone" "${CC:-cc}" -std=gnu17 -fsyntax-only $(pkg-config --cflags cowbox) "$T/one.c"
done

# ---- a build without the tests ----
if [ -n "${COWBOX_SOURCE:-}" ] && [ -z "${CFLAGS:-}" ]; then
	"$CMAKE" -S "$COWBOX_SOURCE" -B "$T/build" -DCMAKE_C_COMPILER="${CC:-cc}" -DCMAKE_C_FLAGS=-O0 -DCMAKE_BUILD_TYPE=Debug >"$T/build.log" 2>&1 &&
		nice -n 5 "$CMAKE" --build "$T/build" --target cowbox >>"$T/build.log" 2>&1
	check "cmake --build --target cowbox (status $?)" test $? = 0 || show "$T/build.log"
	"$CMAKE" --install "$T/build" --prefix "$T/prefix2" >"$T/install2.log" 2>&1
	check "then cmake --install (status $?)" test $? = 0 || show "$T/install2.log"
	(cd "$P" && find . -type f -o -type l | sort) >"$T/list1"
	(cd "$T/prefix2" && find . -type f -o -type l | sort) >"$T/list2"
	same "the same files are installed" "$T/list1" "$T/list2"
fi
finish
