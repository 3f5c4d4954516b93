#!/bin/sh
# The life of the packages on a system: installed, used by an ordinary user and by root, upgraded while bytes
# are pending, removed, purged. Runs as root inside of a fresh root folder (see enter.sh) with, in /trial,
# old.deb, new.deb, old.rpm and new.rpm. Prints a line for each test, as Rust's tests do.
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset LACUNA_HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_STATE_HOME || true
passed=0 failed=0
log=/trial/log

# test NAME COMMAND...: the command's success is the test's.
test_that() {
    name=package::$format::$1
    shift
    if "$@" >>"$log" 2>&1; then
        echo "test $name ... ok"
        passed=$((passed + 1))
    else
        echo "test $name ... FAILED"
        failed=$((failed + 1))
        echo "    \$ $*"
        tail -n 8 "$log" | sed 's/^/    /'
    fi
}

# as USER COMMAND: a shell command as that user, in its home.
as() {
    su - "$1" -s /bin/sh -c "$2"
}

# eventually SECONDS COMMAND...
eventually() {
    left=$(($1 * 10))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.1
    done
}

agent_of() {
    pgrep -u "$1" -x lacuna
}

no_agent() {
    ! pgrep -x lacuna
}

no_drive() {
    ! grep ' - fuse.lacuna ' /proc/self/mountinfo
}

# pending USER: bytes that wait.
pending() {
    as "$1" "lacuna status --json" | sed -n 's/.*"pending":{"files":[0-9]*,"bytes":\([0-9]*\)}.*/\1/p'
}

pending_is() {
    [ "$(pending "$1")" = "$2" ]
}

start_agent() {
    as "$1" "setsid lacuna agent >/dev/null 2>&1 </dev/null &"
    eventually 20 drive_is_there "$1"
}

# The folder beneath is empty, and of a mount whose agent was killed nothing can be read.
drive_is_there() {
    as "$1" "test -f drive/first"
}

end_agent() {
    kill -TERM "$(agent_of "$1")" && eventually 20 no_agent_of "$1"
}

no_agent_of() {
    ! agent_of "$1"
}

# What dpkg and rpm keep for themselves, and what users have, is not the packages'.
files() {
    find / -xdev \( -path /proc -o -path /dev -o -path /home -o -path /root -o -path /tmp -o -path /trial \
        -o -path /var/lib/dpkg -o -path /var/lib/rpm -o -path /var/log -o -path /var/cache -o -path /run \
        \) -prune -o -printf '%y %p\n' | sort
}

nothing_is_left() {
    files >/trial/after
    comm -13 /trial/before /trial/after >/trial/added
    comm -23 /trial/before /trial/after >/trial/gone
    if [ "$format" = rpm ]; then
        # Empty folders of an icon theme that dpkg has installed: rpm knows only that they are Lacuna's.
        sed -i '/^d \/usr\/share\/icons\/hicolor\//d' /trial/gone
    fi
    cat /trial/added /trial/gone
    [ ! -s /trial/added ] && [ ! -s /trial/gone ]
}

# Another machine's view of the bucket.
in_the_bucket() {
    as "$1" "mkdir -p other-drive && lacuna --home ~/other mount store:\$HOME/bucket ~/other-drive >/dev/null &&
        cmp $2 other-drive/$3; found=\$?
        lacuna --home ~/other unmount ~/other-drive >/dev/null; pkill -u $1 -f '[a]gent --detached --home'
        n=0; while [ \$n -lt 200 ] && pgrep -u $1 -f '[a]gent --detached --home' >/dev/null; do n=\$((n + 1)); sleep 0.1; done
        rm -rf other other-drive; exit \$found"
}

install_deb() { dpkg --install "/trial/$1.deb"; }
remove_deb() { dpkg --remove lacuna; }
intact_deb() { [ -z "$(dpkg --verify lacuna)" ] && [ -z "$(dpkg --audit)" ]; }
# Debian's rpm warns of mixing; its database knows nothing of what is installed by dpkg.
install_rpm() { rpm --force-debian --nodeps -U "/trial/$1.rpm"; }
remove_rpm() { rpm --force-debian --nodeps -e lacuna; }
intact_rpm() { rpm --verify --nodeps lacuna; }

programs_run() {
    for program in /usr/bin/lacuna /usr/bin/lacuna-*; do
        # There is no app in a package that was made without it.
        if [ -e "$program" ]; then
            ! ldd "$program" | grep 'not found' && "$program" --version || return 1
        fi
    done
}

# mounts USER: makes a bucket and a drive of it with a file.
mounts() {
    as "$1" "mkdir -p drive && lacuna store init bucket && lacuna mount store:\$HOME/bucket drive --name $1 &&
        head -c 3000000 /dev/urandom >first && cp first drive/first && lacuna flush"
}

# writes_paused USER NAME: leaves 5,000,000 bytes pending.
writes_paused() {
    as "$1" "lacuna pause && head -c 5000000 /dev/urandom >$2 && cp $2 drive/$2" && pending_is "$1" 5000000
}

sends() {
    as "$1" "lacuna resume && lacuna flush" && pending_is "$1" 0
}

life() {
    format=$1
    files >/trial/before
    test_that installs "install_$format" old
    test_that what_is_installed_is_intact "intact_$format"
    test_that programs_find_their_libraries programs_run
    test_that completions_are_shell_scripts sh -c 'bash -n /usr/share/bash-completion/completions/lacuna'
    test_that doctor_finds_nothing_wrong as alice "lacuna doctor"
    for user in alice root; do
        test_that "${user}_mounts_and_writes" mounts "$user"
        test_that "what_${user}_wrote_is_in_the_bucket" in_the_bucket "$user" first first
        test_that "bytes_of_${user}_wait" writes_paused "$user" second
        agent_of "$user" >"/trial/agent-$user"
    done

    test_that upgrades "install_$format" new
    test_that what_is_upgraded_is_intact "intact_$format"
    for user in alice root; do
        test_that "the_agent_of_${user}_goes_on" sh -c "[ \"\$(pgrep -u $user -x lacuna)\" = \"\$(cat /trial/agent-$user)\" ]"
        test_that "the_drive_of_${user}_goes_on" as "$user" "cmp first drive/first && cmp second drive/second"
        test_that "bytes_of_${user}_still_wait" pending_is "$user" 5000000
        test_that "the_agent_of_${user}_ends_when_asked" end_agent "$user"
        test_that "the_new_agent_of_${user}_mounts_again" start_agent "$user"
        test_that "bytes_of_${user}_wait_after_that" pending_is "$user" 5000000
        test_that "bytes_of_${user}_arrive_after_resume" sends "$user"
        test_that "they_are_in_the_bucket_of_${user}" in_the_bucket "$user" second second
        test_that "more_bytes_of_${user}_wait" writes_paused "$user" third
    done

    # A program that stands in a drive must not keep the package from being removed.
    as alice "cd drive && exec sleep 100" &
    busy=$!
    test_that a_program_uses_the_drive eventually 5 sh -c "ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -q ' /home/alice/drive\$'"
    test_that is_removed "remove_$format"
    test_that no_agent_is_left eventually 5 no_agent
    pkill -u alice -x sleep
    wait "$busy" 2>/dev/null
    umount -l /home/alice/drive 2>/dev/null
    test_that no_drive_is_left no_drive
    if [ "$format" = deb ]; then
        test_that is_purged dpkg --purge lacuna
    fi
    test_that nothing_of_the_package_is_left nothing_is_left

    test_that is_installed_again "install_$format" new
    for user in alice root; do
        test_that "the_drive_of_${user}_comes_back" start_agent "$user"
        test_that "bytes_of_${user}_waited_for_that" pending_is "$user" 5000000
        test_that "bytes_of_${user}_arrive_at_last" sends "$user"
        test_that "and_are_in_the_bucket_of_${user}" in_the_bucket "$user" third third
    done
    test_that is_removed_again "remove_$format"
    test_that unused_drives_are_unmounted no_drive
    test_that the_last_agents_have_ended no_agent
    test_that the_users_data_stays sh -c '[ -s /home/alice/.config/lacuna/settings.json ] && [ -d /root/bucket/commits ]'
    if [ "$format" = deb ]; then
        dpkg --purge lacuna >>"$log" 2>&1
    fi
    for user in alice root; do
        as "$user" "rm -rf .config/lacuna .local/state/lacuna .local/share/lacuna bucket first second third && rmdir drive"
    done
}

. /trial/service.sh
life deb
life rpm
service
echo "test result: $([ "$failed" = 0 ] && echo ok || echo FAILED). $passed passed; $failed failed; 0 ignored"
[ "$failed" = 0 ]
