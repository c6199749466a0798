"""The environments of these tests are what they claim to be."""

from __future__ import annotations

from pathlib import Path

from tests.wheels.workshop import ROOT, Workshop


def test_an_environment_holds_wheels_and_reaches_nobody(workshop: Workshop, tmp_path: Path) -> None:
    made = workshop.environment(tmp_path / "env")
    places = made.run(made.python, "-c", "import gentk, torch, sys; print(gentk.__file__, *sys.path)").stdout
    assert str(made.site / "gentk" / "__init__.py") in places and str(ROOT) not in places
    assert made.run(made.python, "-m", "pip").returncode == 1
    call = "import socket; socket.create_connection(('{}', {}), 0.01)"
    for host, port, said in (("192.0.2.1", 80, "a test connects to 192.0.2.1"), ("example.org", 443, "a test connects to example.org")):
        assert said in made.run(made.python, "-c", call.format(host, port)).stderr
    assert "ConnectionRefusedError" in made.run(made.python, "-c", call.format("127.0.0.1", 9)).stderr
