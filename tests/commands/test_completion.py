"""The script of `spmamba --install-completion` completes what there is."""

import inspect
import os
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

from speechbrain_spmamba import cli

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(scope="module")
def app():
    return cli.make_app()


def _options(app, name):
    """Options of a command, as its help has them."""
    found = set()
    shared = {"default_parameter": app.default_parameter}
    for argument in app[name].assemble_argument_collection(**shared):
        if argument.parse:
            found |= {word for word in argument.names if word.startswith("--")}
    return found


def _part(script, shell, name):
    """The part of a script that is about a command."""
    if shell == "fish":
        return "\n".join(
            line for line in script.splitlines() if f"_command {name}'" in line
        )
    begin = {"bash": f'        "{name}")\n', "zsh": f"        {name})\n"}[shell]
    assert script.count(begin) == 1
    return script.partition(begin)[2].partition("\n          ;;\n")[0]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_its_options_are_in_the_script(app, shell):
    script = app.generate_completion(shell=shell)
    for name in cli.COMMANDS:
        assert re.search(rf"\b{name}\b", script)
        part, options = _part(script, shell, name), _options(app, name)
        assert options or name in ("prepare", "new", "train", "models")
        for option in options:
            word = f"-l {option[2:]} " if shell == "fish" else option
            assert re.search(rf"{re.escape(word)}(?!\w)", part), (name, option)


def test_options_are_those_of_the_functions(app):
    told = _options(app, "separate")
    assert {"--format", "--mixture_consistent", "--rttm", "--jobs"} < told
    own = inspect.signature(app["separate"].default_command).parameters
    assert {f"--{name}" for name in own} - told == {"--files", "--options"}


class Terminal:
    """An interactive bash in a folder."""

    def __init__(self, folder):
        import pty

        self.pid, self.end = pty.fork()
        if not self.pid:
            os.chdir(folder)
            words = ["bash", "--norc", "--noprofile", "-i"]
            plain = {"PATH": os.environ["PATH"], "TERM": "dumb", "PS1": "> "}
            os.execvpe("bash", words, plain)

    def type(self, text, until):
        """Types, and gives what is shown up to a text, or in 10 seconds."""
        os.write(self.end, text.encode())
        shown, late = "", time.monotonic() + 10
        while until not in shown and time.monotonic() < late:
            if select.select([self.end], [], [], 0.1)[0]:
                shown += os.read(self.end, 4096).decode()
        return shown

    def close(self):
        os.close(self.end)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal(app, tmp_path):
    pytest.importorskip("pty")
    if (
        shutil.which("bash") is None
        or subprocess.run(
            ["bash", "-c", "type complete"], capture_output=True
        ).returncode
    ):
        pytest.skip("no bash that completes")
    script = app.generate_completion(shell="bash")
    (tmp_path / "complete.sh").write_text(script)
    (tmp_path / "talks.wav").touch()
    found = Terminal(tmp_path)
    found.type(
        "bind 'set enable-bracketed-paste off' 'set bell-style none'\n"
        ". ./complete.sh; echo rea''dy\n",
        "ready\r\n",
    )
    yield found
    found.close()


def test_bash_completes_commands_options_values_and_files(terminal):
    for typed, shown in (
        ("spmamba sep", "arate "),
        ("spmamba separate --form", "at "),
        ("spmamba separate --rate k", "eep "),
        ("spmamba separate ta", "lks.wav "),
        ("spmamba separate a.wav --model ta", "lks.wav "),
        ("spmamba evaluate --no-such", ""),
    ):
        found = terminal.type(f"{typed}\t", typed + shown)
        assert found.rstrip("\a").endswith(typed + shown), found
        terminal.type("\x15", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_installed_is_that_script(app, shell, tmp_path):
    program = "import sys; from speechbrain_spmamba import cli; cli.main()"
    path = tmp_path / "script"
    words = ["--install-completion", "--shell", shell, "--output", str(path)]
    subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
    )
    assert path.read_text() == app.generate_completion(shell=shell)
