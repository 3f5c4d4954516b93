#!/bin/sh
# Makes the root folder that the packages are tried in: a fresh system with all that the package depends on,
# and without the package.
#
#   root.sh ROOT SUITE MIRROR PACKAGE.deb
set -eu
root=$1 suite=$2 mirror=$3 package=$4
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror"
# Fetch as this machine does.
cp -L /etc/resolv.conf "$root/etc/resolv.conf" || true
for file in /etc/apt/apt.conf.d/*; do
    if grep -qi -e proxy -e check- "$file"; then
        cp "$file" "$root/etc/apt/apt.conf.d/"
    fi
done
cp "$package" "$root/package.deb"
# fusermount3 asks it what is mounted; an installer would make it.
ln -sf ../proc/self/mounts "$root/etc/mtab"
# No services are started in there.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
chroot "$root" apt-get -qq update
chroot "$root" apt-get -qq install --yes --no-install-recommends /package.deb rpm procps systemd
chroot "$root" dpkg --purge lacuna
chroot "$root" apt-get clean
rm -rf "$root/package.deb" "$root"/var/lib/apt/lists/*
chroot "$root" useradd --create-home --shell /bin/sh alice
