#!/bin/sh
# Runs the trial in a root folder, in namespaces of its own: nothing that it mounts or starts outlives it or
# is seen outside.
#
#   enter.sh ROOT
set -eu
root=$1

# The control groups' tree: the only one, or that of systemd in the older arrangement of several.
groups=/sys/fs/cgroup
if [ -d "$groups/systemd" ]; then
    groups=$groups/systemd
fi

if [ "${2-}" != inside ]; then
    # A user's systemd starts services in groups of its own: below this one.
    group=$groups/lacuna-trial-$$
    mkdir "$group" || echo "no control groups can be made here: the tests of the service are going to fail" >&2
    status=0
    (
        echo 0 >"$group/cgroup.procs" || true
        exec unshare --mount --pid --fork --kill-child --cgroup /bin/sh "$0" "$root" inside
    ) || status=$?
    find "$group" -depth -type d -exec rmdir {} \; || true
    exit "$status"
fi

mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t sysfs sysfs "$root/sys"
if [ "$groups" = /sys/fs/cgroup ]; then
    mount -t cgroup2 groups "$root/sys/fs/cgroup" || true
else
    mount -t tmpfs -o mode=755 groups "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd groups "$root/sys/fs/cgroup/systemd"
fi
# By this folder systemd knows that it is the system's.
mkdir -p "$root/run/systemd/system"
exec chroot "$root" /usr/bin/env GROUPS_TREE="$groups" /bin/sh /trial/trial.sh
