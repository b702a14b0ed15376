EXTRA_DIST += %D%/install-packages.sh %D%/install-venv.sh
