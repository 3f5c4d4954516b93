# Asks every running agent and app of this package to end, and waits a while. They lose nothing by it: what
# waits to be sent is kept in their users' folders. Only processes that see the same root folder are meant,
# and nothing in here can fail the removal.
end_agents() {
    agents=
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" 2>/dev/null) in
        /usr/bin/lacuna | '/usr/bin/lacuna (deleted)' | /usr/bin/lacuna-desktop | '/usr/bin/lacuna-desktop (deleted)')
            if [ "$process/root/." -ef /. ] && kill -TERM "${process#/proc/}" 2>/dev/null; then
                agents="$agents ${process#/proc/}"
            fi
            ;;
        esac
    done
    tries=0
    while [ -n "$agents" ] && [ "$tries" -lt 150 ]; do
        left=
        for agent in $agents; do
            if [ -e "/proc/$agent/exe" ]; then
                left="$left $agent"
            fi
        done
        agents=$left
        tries=$((tries + 1))
        if [ -n "$agents" ]; then
            sleep 0.1
        fi
    done
    if [ -n "$agents" ]; then
        echo "lacuna: still at work, and left to it: process$agents" >&2
    fi
    return 0
}
