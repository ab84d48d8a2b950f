"""`aiclient completion`: what a shell offers, asked of the shells themselves."""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import subprocess
import sys

import pytest

from aiclient.cli import main
from aiclient.cli.arguments import make_parser
from aiclient.cli.commands import commands


def script(shell):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["completion", shell]) == 0
    return out.getvalue()


def needs(shell):
    missing = os.name == "nt" or shutil.which(shell) is None
    return pytest.mark.skipif(missing, reason=f"{shell} is not installed, or cannot be on Windows")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with some files, and the scripts in it."""
    folder = tmp_path_factory.mktemp("files")
    for shell in ("bash", "zsh", "fish"):
        (folder / f"script.{shell}").write_text(script(shell))
    for name in ("books 2026.sqlite", "books.sqlite", "in.jsonl"):
        (folder / name).touch()
    return folder


ASK = '. ./script.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _aiclient; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture
def bash(folder):
    """Ask bash what may stand for the last word."""

    def offered(*words):
        command = ["bash", "--norc", "-c", ASK, "bash", "aiclient", *words]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert run.stderr == ""
        return run.stdout.split("\n")[:-1]

    return offered


@needs("bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["b"], ["bulk", "bench"]),
        (["--v"], ["--version"]),
        (["cost", ""], ["estimate", "report"]),
        (["bulk", "s"], ["status"]),
        (["config", "check", "--p"], ["--profile"]),
        (["check", "--a"], ["--all"]),
        (["ask", "check", "--a"], []),
        (["ask", "-m", "openai:x", "--sch"], ["--schema"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["cost", "report", "boo"], ["books 2026.sqlite", "books.sqlite"]),
        (["ask", "-f", "in"], ["in.jsonl"]),
        (["bulk", "run", "in.jsonl", "--ret"], ["--retry-failed"]),
        (["bulk", "run", "-m", "in"], []),
        (["nonsense"], []),
    ],
    ids=" ".join,
)
def test_bash_offers_what_may_follow(bash, words, offered):
    assert sorted(bash(*words)) == sorted(offered or [""])


@needs("bash")
def test_bash_at_a_terminal_completes_a_command_word_by_word(folder):
    """The real thing: keys into readline."""
    heard = typed("bash", ["--norc", "--noprofile", "-i"], folder, ". ./script.bash", "con\tsh\tbooks\\ 2\t")
    assert "<config> <show> <books 2026.sqlite>" in heard


@needs("zsh")
def test_zsh_does_so_too(folder):
    heard = typed("zsh", ["-f", "-i"], folder, ". ./script.zsh", "con\tsh\tin\t")
    assert "<config> <show> <in.jsonl>" in heard


def typed(shell, options, folder, source, keys):
    """Type `aiclient` and `keys` into a shell on a terminal; a function in the command's place says what it was given."""
    terminal, theirs = os.openpty()
    environ = {**os.environ, "PS1": "READY> ", "TERM": "dumb", "ZDOTDIR": str(folder)}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen([shell, *options], cwd=folder, env=environ, start_new_session=True, **streams) as running:
        os.close(theirs)
        try:
            until(terminal, "READY>")
            os.write(terminal, f"{source}; aiclient() {{ printf '<%s> ' \"$@\"; echo done; }}; echo read''y\n".encode())
            until(terminal, "\nready")
            os.write(terminal, f"aiclient {keys}\n".encode())
            return until(terminal, "> done")
        finally:
            running.kill()
            os.close(terminal)


def until(terminal, answer):
    heard = ""
    while answer not in heard:
        assert select.select([terminal], [], [], 20)[0], heard
        heard += os.read(terminal, 4096).decode().replace("\r", "")
    return heard


@needs("fish")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("aiclient cost ", ["estimate", "report"]),
        ("aiclient config check --p", ["--profile"]),
        ("aiclient check --a", ["--all"]),
        ("aiclient ask -f in", ["in.jsonl"]),
    ],
)
def test_fish_offers_what_may_follow(folder, line, offered):
    command = ["fish", "--no-config", "-c", 'source script.fish; complete -C "$argv[1]"', line]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert [found.partition("\t")[0] for found in run.stdout.splitlines()] == offered


def test_a_shell_that_is_not_known_is_wrong_usage(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err


def test_every_command_and_option_is_known_to_every_shell():
    known = list(commands(make_parser()))
    assert len(known) > 15
    words = {f'"{"".join(f" {word}" for word in one.path)}"' for one in known}
    options = {name for one in known for option in one.options for name in option.names if name.startswith("--")}
    bash, fish = script("bash"), script("fish")
    assert [word for word in words if word not in bash or word not in fish] == []
    assert [name for name in options if name not in bash or f"-l {name[2:]}" not in fish] == []


def test_the_help_says_how_a_shell_gets_it(capsys):
    main(["completion", "--help"])
    assert 'eval "$(aiclient completion bash)"' in " ".join(capsys.readouterr().out.split())


def test_it_loads_no_http_library():
    code = (
        "import sys; from aiclient.cli import main; main(['completion', 'bash']); "
        "print(sorted({'httpx', 'cattrs'} & set(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "[]"
