# A part of trial.sh: the agent as a service of an ordinary user's own systemd.

id=$(id -u alice)
runtime=/run/user/$id

# What happens at login.
log_in() {
    mkdir -p "$runtime" "$GROUPS_TREE/alice"
    chown -R alice: "$runtime" "$GROUPS_TREE/alice"
    chmod 700 "$runtime"
    (
        echo 0 >"$GROUPS_TREE/alice/cgroup.procs"
        exec setpriv --reuid alice --regid alice --init-groups env -i HOME=/home/alice USER=alice \
            PATH="$PATH" XDG_RUNTIME_DIR="$runtime" /lib/systemd/systemd --user --log-target=console
    ) >>/trial/manager.log 2>&1 &
    manager=$!
    eventually 20 is_up
}

is_up() {
    [ "$(control is-system-running)" = running ]
}

log_out() {
    kill -TERM "$manager"
    wait "$manager"
    eventually 20 no_agent
}

control() {
    as alice "XDG_RUNTIME_DIR=$runtime systemctl --user $*"
}

property() {
    control show --property "$1" --value lacuna.service
}

property_is() {
    [ "$(property "$1")" = "$2" ]
}

is_killed_and_comes_back() {
    before=$(property MainPID)
    kill -KILL "$before" && eventually 20 another_runs && eventually 20 drive_is_there alice
}

another_runs() {
    property_is SubState running && ! property_is MainPID "$before"
}

is_restarted() {
    before=$(property MainPID)
    control restart lacuna.service && eventually 20 another_runs && eventually 20 drive_is_there alice
}

service() {
    format=service
    test_that is_installed install_deb old
    test_that starts_with_the_session log_in
    test_that has_nothing_to_do_without_drives property_is ConditionResult no
    test_that has_started_no_agent no_agent
    test_that alice_mounts_and_writes mounts alice
    test_that may_be_started_beside_an_agent control start lacuna.service
    test_that leaves_the_drives_to_that_agent property_is ActiveState inactive
    test_that that_agent_ends end_agent alice
    test_that ends_with_the_session log_out

    test_that starts_with_the_next_session log_in
    test_that runs eventually 20 property_is SubState running
    test_that mounts_what_was_mounted eventually 20 drive_is_there alice
    test_that what_was_written_is_there as alice "cmp first drive/first"
    test_that leaves_no_core_dumps sh -c "grep -q 'Max core file size *0 *0 ' /proc/$(property MainPID)/limits"
    test_that bytes_wait writes_paused alice second
    test_that comes_back_when_killed is_killed_and_comes_back
    test_that bytes_wait_after_a_kill pending_is alice 5000000
    test_that upgrades install_deb new
    test_that goes_on_after_an_upgrade drive_is_there alice
    test_that restarts_as_the_new_version is_restarted
    test_that runs_the_installed_program sh -c "[ \"\$(readlink /proc/$(property MainPID)/exe)\" = /usr/bin/lacuna ]"
    test_that bytes_wait_after_that pending_is alice 5000000
    test_that bytes_arrive_after_resume sends alice
    test_that they_are_in_the_bucket in_the_bucket alice second second

    test_that is_removed remove_deb
    # Longer than the pause before a restart.
    sleep 6
    test_that does_not_come_back no_agent
    test_that leaves_no_drive no_drive
    test_that ends_cleanly property_is Result success
    test_that the_session_ends log_out
    dpkg --purge lacuna >>"$log" 2>&1
}
