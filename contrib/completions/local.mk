# completions for the shells, where each looks for them by itself.
bashcompletionsdir = $(datadir)/bash-completion/completions
dist_bashcompletions_DATA = %D%/bash/daglet %D%/bash/dagletctl
zshcompletionsdir = $(datadir)/zsh/site-functions
dist_zshcompletions_DATA = %D%/zsh/_daglet
fishcompletionsdir = $(datadir)/fish/vendor_completions.d
dist_fishcompletions_DATA = %D%/fish/daglet.fish %D%/fish/dagletctl.fish
