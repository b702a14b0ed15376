"""What the programs say of themselves, their manual pages and the shells' completions agree."""

import os
import pathlib
import re
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("DAGLET_BUILD", os.getcwd()))
TOP = pathlib.Path(__file__).resolve().parents[2]
PAGES = {"daglet": BUILD / "man" / "daglet.8", "dagletctl": TOP / "man" / "dagletctl.1"}
COMPLETIONS = TOP / "contrib" / "completions"


def said(program):
    text = subprocess.run([BUILD / program, "--help"], check=True, text=True,
                          capture_output=True).stdout
    return text, set(re.findall(r"--[a-z][a-z-]+", text))


def page(program):
    return PAGES[program].read_text().replace("\\-", "-")


@pytest.mark.parametrize("program", PAGES)
def test_every_option_is_in_the_manual_and_the_completions(program):
    _, options = said(program)
    assert len(options) > 5
    for option in options:
        assert option in page(program), option
        zsh = (COMPLETIONS / "zsh" / "_daglet").read_text()
        bash = (COMPLETIONS / "bash" / program).read_text()
        fish = (COMPLETIONS / "fish" / f"{program}.fish").read_text()
        assert option in bash, option
        assert option in zsh or option == "--version", option
        assert f"-l {option[2:]}" in fish, option


@pytest.mark.parametrize("program", PAGES)
def test_every_command_is_in_the_manual_and_the_completions(program):
    text, _ = said(program)
    commands = set(re.findall(r"^  ([a-z][a-z-]+) ", text, re.M))
    assert len(commands) >= 3
    for command in commands:
        assert command in page(program)
        for shell in (f"bash/{program}", "zsh/_daglet", f"fish/{program}.fish"):
            assert command in (COMPLETIONS / shell).read_text(), f"{command} in {shell}"


def test_every_key_of_daglet_yaml_is_in_its_manual():
    sample = subprocess.run([BUILD / "daglet", "sample-config"], check=True, text=True,
                            capture_output=True).stdout
    keys = set(re.findall(r"^#?([a-z_]+):", sample, re.M))
    text = (BUILD / "man" / "daglet.yaml.5").read_text()
    assert len(keys) >= 10
    for key in keys:
        assert f".B {key}\n" in text, key
    assert ".B dagster_cloud_api.agent_token\n" in text


def test_bash_completes():
    script = f"""
        source {COMPLETIONS}/bash/daglet; source {COMPLETIONS}/bash/dagletctl
        try() {{ local f=$1; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); $f; echo "${{COMPREPLY[*]}}"; }}
        try _daglet daglet ch
        try _daglet daglet agent ''
        try _daglet daglet run --log-f
        try _daglet daglet run --log-format j
        try _dagletctl dagletctl lo
        try _dagletctl dagletctl --js
    """
    out = subprocess.run(["bash", "-c", script], check=True, text=True, capture_output=True)
    assert out.stdout.splitlines() == [
        "check-config", "run", "--log-format", "json journal", "locations logs", "--json"]
    assert not out.stderr
