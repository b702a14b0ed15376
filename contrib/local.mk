EXTRA_DIST += %D%/build.sh %D%/install-packages.sh %D%/install-venv.sh \
	%D%/quickstart.py %D%/quickstart.sh
include contrib/completions/local.mk
