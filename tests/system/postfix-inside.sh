# shellcheck shell=sh disable=SC2154
# Sourced by what postfix.sh and etrn_postfix.sh run in a mount namespace: starts Debian's
# Postfix, unpacked in $2, with $1/conf and, where there is one, $1/hosts. $1 is the scratch
# folder; $root becomes Postfix's root folder.
mkdir "$1/t" && mount -t tmpfs tmpfs "$1/t" && chmod 755 "$1/t"
mkdir "$1/t/up" "$1/t/work" "$1/t/root"
cp -a "$2" "$1/t/low"
for d in lib bin sbin; do        # these are links to usr/... in a root folder of today
	[ -d "$1/t/low/$d" ] || continue
	mkdir -p "$1/t/low/usr/$d" && cp -a "$1/t/low/$d/." "$1/t/low/usr/$d/" && rm -r "$1/t/low/$d"
done
mount -t overlay overlay -o "lowerdir=$1/t/low:/,upperdir=$1/t/up,workdir=$1/t/work" "$1/t/root"
root=$1/t/root
mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp" && chmod 1777 "$root/tmp"
echo 'postfix:x:61090:61090::/var/spool/postfix:/bin/false' >>"$root/etc/passwd"
printf 'postfix:x:61090:\npostdrop:x:61091:\n' >>"$root/etc/group"
cp "$1"/conf/* "$root/etc/postfix/"
[ ! -e "$1/hosts" ] || cp "$1/hosts" "$root/etc/hosts"
mkdir -p "$root/var/spool/postfix" "$root/var/lib/postfix"
chown 61090 "$root/var/lib/postfix"
cp "$root/usr/share/postfix/dynamicmaps.cf" "$root/usr/share/postfix/makedefs.out" \
	"$root/etc/postfix/" 2>/dev/null || true
chroot "$root" postfix -c /etc/postfix start
