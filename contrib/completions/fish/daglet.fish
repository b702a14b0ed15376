# fish completion for daglet
complete -c daglet -f
complete -c daglet -n __fish_use_subcommand -a run -d 'serve until SIGTERM or SIGINT'
complete -c daglet -n __fish_use_subcommand -a check-config -d 'check the configuration'
complete -c daglet -n __fish_use_subcommand -a sample-config -d 'print a daglet.yaml'
complete -c daglet -n __fish_use_subcommand -a agent -d 'as the Python agent is called'
complete -c daglet -n '__fish_seen_subcommand_from agent' -a run
complete -c daglet -n '__fish_seen_subcommand_from run check-config' -a '(__fish_complete_directories)'
complete -c daglet -l state-dir -x -a '(__fish_complete_directories)' -d 'where work is remembered'
complete -c daglet -l log-level -x -a 'debug info notice warning error'
complete -c daglet -l log-format -x -a 'auto text json journal'
complete -c daglet -s a -l agent-token -x -d 'token, without a dagster.yaml'
complete -c daglet -s d -l deployment -x -d 'deployment to serve'
complete -c daglet -s l -l agent-label -x -d 'name shown beside the id'
complete -c daglet -l config -x -d 'instance configuration (JSON)'
complete -c daglet -l user-code-launcher -x
complete -c daglet -l user-code-launcher-config -x
complete -c daglet -l agent-logging-config-path -r
complete -c daglet -l agent-logging-config-string -x
complete -c daglet -s h -l help -d 'how it is called'
complete -c daglet -l version
