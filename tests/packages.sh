# packages.sh - the Debian packages that cowbox needs, and how they get there. Sourced by all.sh and demo.sh.

BUILD_PACKAGES="build-essential cmake pkg-config libseccomp-dev libgit2-dev libcmocka-dev libjansson-dev libxxhash-dev linux-libc-dev"
# Programs that the end-to-end tests run in a box.
TEST_PACKAGES="acl attr binutils bzip2 ed file fio fuse3 gdb git golang-go libfuse3-dev libpython3.11-testsuite musl-tools patch procps psmisc python3
	python3-pip python3-venv rsync sqlite3 strace stress-ng tar tmux unzip util-linux vim-tiny xz-utils zip"

# node may be there from elsewhere; Debian's is large.
node_packages() {
	command -v node >/dev/null || echo nodejs
	command -v npm >/dev/null || echo npm
}

packages_missing() {
	local p
	for p in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in
		installed) ;;
		*) echo "$p" ;;
		esac
	done
}

# packages_install PACKAGE...: installs those that are missing, as root or through sudo
packages_install() {
	local missing as=
	missing=$(packages_missing "$@" | tr '\n' ' ')
	[ -n "${missing% }" ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here: install these, or what your distribution calls them: $missing" >&2
		return 1
	fi
	[ "$(id -u)" -eq 0 ] || as=sudo
	echo "installing: $missing" >&2
	$as env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 &&
		$as env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >&2
}
