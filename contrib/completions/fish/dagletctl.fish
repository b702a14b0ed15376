# fish completion for dagletctl
function __dagletctl_locations
    dagletctl --json locations 2>/dev/null | string match -ra '"location": *"[^"\\\\]*"' \
        | string replace -r '.*: *"(.*)"' '$1' | sort -u
end
complete -c dagletctl -f
complete -c dagletctl -n __fish_use_subcommand -a status -d 'everything at a glance'
complete -c dagletctl -n __fish_use_subcommand -a locations -d 'code locations and their servers'
complete -c dagletctl -n __fish_use_subcommand -a requests -d 'requests under way'
complete -c dagletctl -n __fish_use_subcommand -a runs -d 'runs on this agent'
complete -c dagletctl -n __fish_use_subcommand -a logs -d 'last lines of a server or run'
complete -c dagletctl -n __fish_use_subcommand -a check -d 'ready or not, and why'
complete -c dagletctl -n __fish_use_subcommand -a drain -d 'take no more work, say when nothing is under way'
complete -c dagletctl -n __fish_use_subcommand -a reload -d 'read the configuration again'
complete -c dagletctl -n __fish_use_subcommand -a restart -d 'start anew; servers and runs go on'
complete -c dagletctl -n '__fish_seen_subcommand_from drain' -s u -l undo -d 'take work again'
complete -c dagletctl -n '__fish_seen_subcommand_from drain restart' -l no-wait -d 'do not wait until it is done'
complete -c dagletctl -n '__fish_seen_subcommand_from logs' -a '(__dagletctl_locations)'
complete -c dagletctl -s s -l socket -r -d 'status socket'
complete -c dagletctl -s H -l home -x -a '(__fish_complete_directories)' -d DAGSTER_HOME
complete -c dagletctl -s j -l json -d 'the answer as it is'
complete -c dagletctl -s n -l lines -x -d 'so many lines'
complete -c dagletctl -s f -l follow -d 'go on as they come'
complete -c dagletctl -s h -l help -d 'how it is called'
complete -c dagletctl -s V -l version -d version
