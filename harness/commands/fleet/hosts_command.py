"""`harness fleet hosts`: whether each machine of a fleet can be used."""

from __future__ import annotations

import click

from harness.commandline import options
from harness.commandline.fleet_options import Way, way_options
from harness.commandline.output import Output, output_options
from harness.commands.fleet.hosts_page import document, page
from harness.commands.fleet.join import joined, named_hosts, tell_reached
from harness.errors import ExitCode
from harness.fleet.ping import ping_ns


@click.command("hosts", epilog=options.examples("harness fleet hosts --hosts laptop,studio"))
@way_options
@output_options
def hosts_command(way: Way, output: Output) -> int:
    """
    Reach each machine, and tell what it is, what runs there, and what its idle worker costs.

    Nothing is measured or fetched. The exit code is 1 where one of them cannot be used.
    """
    hosts = named_hosts(way)
    tell_reached(output, way, hosts)
    with joined(way, hosts, {}, lambda _: None) as fleet:
        pings = {host: ping_ns(fleet.cluster, host) for host in fleet.joined}
    found = document(hosts, fleet.joined, fleet.failures, pings)
    code = ExitCode.ERROR if fleet.failures else ExitCode.DONE
    return output.show(page(found, fleet.joined), found, code)
