# A machine of its own for a test: Debian of this host's release with systemd, booted by
# systemd-nspawn over a throw-away layer. Sourced after lib.sh; not a suite itself.
# The tree is made once and kept in $cache.
# shellcheck shell=sh disable=SC2154

container_packages=systemd,python3,curl,strace,ucspi-tcp,daemontools,xinetd

# container_need SUITE: ends the suite with a skip where no container can be had.
container_need() {
	is_root || { skip "$1" "needs root for systemd-nspawn"; exit 0; }
	need "$1" systemd-nspawn mmdebstrap
	[ "$(. /etc/os-release; echo "$ID")" = debian ] ||
		{ skip "$1" "only on Debian, whose packages the container is made of"; exit 0; }
	unshare -m true 2>/dev/null ||
		{ skip "$1" "no namespaces may be made here"; exit 0; }
	# Mounts of ours end with us, however that comes.
	[ -n "${POSTERN_OWN_MOUNTS:-}" ] || { rm -rf "$tmp"
		POSTERN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0"; }
	container_base || { fail "$1" "$(tail -n 3 "$tmp/debstrap.log")"; exit 0; }
}

# Makes the tree unless it is there. A finished one is never changed, only layered over.
container_base() {
	suite=$(. /etc/os-release; echo "$VERSION_CODENAME")
	base=$cache/$suite-$(echo "$container_packages" | cksum | cut -d' ' -f1)
	mkdir -p "$cache" && exec 9>"$cache/lock" && flock 9 || return 1
	if [ ! -d "$base" ]; then
		rm -rf "$base.new"
		mmdebstrap --variant=minbase --include="$container_packages" \
			--dpkgopt=path-exclude='/usr/share/doc/*' \
			--dpkgopt=path-exclude='/usr/share/locale/*' \
			--dpkgopt=path-exclude='/usr/share/man/*' \
			"$suite" "$base.new" >"$tmp/debstrap.log" 2>&1 &&
			mv "$base.new" "$base" || { rm -rf "$base.new"; return 1; }
	fi
	exec 9>&-
}

container_end() { umount "$tmp"/*/root; } 2>/dev/null

# container_new NAME: $root becomes a writable layer over the base.
container_new() {
	root=$tmp/$1/root
	at_end=container_end
	mkdir -p "$tmp/$1/up" "$tmp/$1/work" "$root" "$tmp/$1/check"
	mount -t overlay overlay \
		-o "lowerdir=$base,upperdir=$tmp/$1/up,workdir=$tmp/$1/work" "$root"
}

# container_install NAME: the tree of container_new with what `make install` brings.
container_install() {
	container_new "$1" || { fail "$1" 'no overlay mount'; exit 0; }
	make -s -C "$top" install DESTDIR="$root" BUILD="$BUILD" >"$tmp/make.log" 2>&1 ||
		{ fail "$1 install" "$(tail -n 3 "$tmp/make.log")"; exit 0; }
	container_libraries
}

# Shared libraries that postern wants and the container lacks, from this host.
container_libraries() {
	ldd "$BUILD/postern" "$BUILD/flush" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
		while read -r library; do
			[ -e "$root/usr$(readlink -f "$library" | sed 's,^/usr,,')" ] ||
				cp -L "$library" "$root/usr/local/lib/"
		done
	ldconfig -r "$root"
}

# container_run NAME SCRIPT [NSPAWN OPTION...]: boots $root, runs SCRIPT as a unit when the
# system is up, prints what it says, and powers off. This folder is /tests inside, and
# $tmp/NAME/check is /check. The unit's own lines are the suite's lines.
container_run() {
	run_name=$1 run_script=$2
	shift 2
	cat >"$root/etc/systemd/system/check.service" <<-EOF
	[Unit]
	After=multi-user.target
	SuccessAction=exit-force
	FailureAction=exit-force
	[Service]
	Type=oneshot
	TimeoutStartSec=150
	Environment=HOME=/root
	ExecStart=/bin/sh /tests/$run_script
	StandardOutput=append:/check/out
	StandardError=append:/check/err
	EOF
	mkdir -p "$root/etc/systemd/system/default.target.wants"
	ln -sf ../check.service "$root/etc/systemd/system/default.target.wants/"
	: >"$tmp/$run_name/check/out"
	timeout -k 10 180 systemd-nspawn --quiet --register=no --keep-unit --private-network \
		--machine="postern-check-$$" --directory="$root" --bind-ro="$here:/tests" \
		--bind-ro="$top:/source" --bind="$tmp/$run_name/check:/check" --console=pipe \
		--boot "$@" </dev/null >"$tmp/$run_name/console" 2>&1
	run_status=$?
	cat "$tmp/$run_name/check/out"
	[ "$run_status" -eq 0 ] && grep -q '^ok ' "$tmp/$run_name/check/out" || fail "$run_name" "the container ended with $run_status: $(
		tail -n 5 "$tmp/$run_name/console" "$tmp/$run_name/check/err" 2>/dev/null)"
}

# The three calls that systemd-nspawn's own filter leaves out.
allow_landlock=--system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self'
