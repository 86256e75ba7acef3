"""What the card says of a model that a server has loaded."""

from __future__ import annotations

from make.records import make_served
from make.served import make_served_experiment, make_served_rounds

from harness.commands.share.card_facts import card_of
from harness.report.measured_page import measured_result
from harness.schema.model import ServedModel


def card(model: ServedModel) -> tuple[str, str]:
    """Its machine, and the line of where it is from."""
    experiment = make_served_experiment(model)
    runs = make_served_rounds(experiment)
    found = card_of(measured_result(experiment, runs, (), None))
    return found.machine, found.origin


def test_the_server_stands_where_the_engine_stands_else() -> None:
    machine, origin = card(make_served())
    assert "AMD EPYC" in machine
    assert "llama-server b11549" in origin
    assert "llama.cpp" not in origin


def test_a_machine_elsewhere_is_not_this_one() -> None:
    model = make_served()
    away = model.served.model_copy(update={"is_local": False})
    machine, _ = card(model.model_copy(update={"served": away}))
    assert "AMD EPYC" not in machine
    assert "elsewhere" in machine
