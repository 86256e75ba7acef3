"""A Dask scheduler and its client: our own, in this process, or one that is there already."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Self

from harness import __version__
from harness.errors import HarnessError
from harness.fleet.dask_here import prepare_dask
from harness.fleet.members import Member, member_of
from harness.fleet.order import SILENCE_NS, Certificate, Hello, WorkerOrder, require_certificate
from harness.fleet.plain_pickle import guard

if TYPE_CHECKING:
    from distributed import Client, Scheduler
    from distributed.utils import LoopRunner

    from harness.fleet.certificates import Authority

_CONNECT_S = 10
_LOOK_S = 0.2


class WorkersDied(HarnessError):
    """Each worker that did a job was lost, as often as Dask lets it be tried."""


class Cluster:
    """
    Where the workers of a fleet meet; a context manager, at whose end a scheduler of ours is gone.

    Attributes:
        address: Of the scheduler, as this process reaches it.
        client: Dask's own, of it.
    """

    def __init__(
        self, runner: LoopRunner, client: Client, address: str, scheduler: Scheduler | None
    ) -> None:
        self._runner = runner
        self.client = client
        self._scheduler = scheduler
        self._authority: Authority | None = None
        self.address = address

    @classmethod
    def start(cls, listen: str = "127.0.0.1", port: int = 0) -> Self:
        """
        A scheduler here, with certificates of its own.

        Args:
            listen: The address of this machine where it listens.
            port: 0 is any that is free.

        Raises:
            HarnessError: The extra `fleet` is missing, or the address cannot be listened at.
        """
        prepare_dask()
        guard()
        from distributed.utils import LoopRunner

        from harness.fleet.certificates import Authority
        from harness.fleet.scheduler import FleetScheduler

        authority = Authority()
        own = security_of(authority.vouch_for("submitter"))
        runner = LoopRunner()
        runner.start()

        async def started() -> Scheduler:
            return await FleetScheduler(host=listen, port=port, security=own)

        try:
            scheduler = runner.run_sync(started)
        except (OSError, RuntimeError) as error:
            runner.stop()
            cause = error.__cause__ or error
            raise HarnessError(
                f"no scheduler can listen at {listen}:{port}: {cause}; choose another with --direct"
            ) from error
        cluster = cls(runner, _client(runner, scheduler.address, own), scheduler.address, scheduler)
        cluster._authority = authority
        return cluster

    @classmethod
    def connect(cls, address: str, certificate: Certificate | None) -> Self:
        """
        A scheduler that is there already.

        Args:
            address: As "tls://host:8786".
            certificate: Who this is to it.

        Raises:
            UsageError: There is no certificate.
            HarnessError: The extra `fleet` is missing, none answers, or it is of another version.
        """
        certificate = require_certificate(certificate, address)
        version = prepare_dask()
        guard()
        from distributed.utils import LoopRunner

        runner = LoopRunner()
        runner.start()
        try:
            client = _client(runner, address, security_of(certificate))
        except (OSError, ImportError, ValueError) as error:
            runner.stop()
            raise HarnessError(f"{address}: no Dask scheduler answers there: {error}") from error
        cluster = cls(runner, client, address, None)
        try:
            _require_version(client, version)
        except HarnessError:
            cluster.close()
            raise
        return cluster

    def order_for(
        self,
        host: str,
        scheduler: str | None = None,
        listen_port: int | None = None,
        contact: str | None = None,
        listen_host: str | None = None,
    ) -> WorkerOrder:
        """
        What the worker on `host` is told, with a certificate of its own.

        Args:
            host: What the machine is called.
            scheduler: Where the worker reaches the scheduler, if that is not `address`.
            listen_port: Where it listens; None: at any free port.
            contact: Where the scheduler reaches it, if that is another address.
            listen_host: The address that it listens at; None: the one that leads to the scheduler.
        """
        assert self._authority is not None  # workers of another's cluster are started by others
        from distributed import __version__ as distributed_version

        given = self._authority.vouch_for(host)
        return WorkerOrder(
            scheduler=scheduler or self.address,
            name=host,
            listen_host=listen_host,
            listen_port=listen_port,
            contact=contact,
            ca_pem=given.ca_pem,
            certificate_pem=given.certificate_pem,
            key_pem=given.key_pem,
            harness_version=__version__,
            distributed_version=str(distributed_version),
            wait_ns=SILENCE_NS,
        )

    def members(self) -> Mapping[str, Member]:
        """
        The workers of a fleet that are there, by the names of their hosts; others are left out.

        Raises:
            HarnessError: The scheduler does not answer.
        """
        try:
            told = self.client.sync(self.client.scheduler.identity, n_workers=-1)
        except OSError as error:
            raise HarnessError(f"the scheduler at {self.address} is gone: {error}") from error
        found = (member_of(address, facts) for address, facts in told["workers"].items())
        return {member.host: member for member in found if member}

    def hellos(self) -> Mapping[str, Hello]:
        """
        What the workers say of themselves, by the names of their hosts; those that have just come
        are waited for.

        Raises:
            HarnessError: The scheduler does not answer.
        """
        until_s = monotonic() + _CONNECT_S
        while True:
            members = self.members()
            if monotonic() > until_s or all(member.hello for member in members.values()):
                return {host: it.hello for host, it in members.items() if it.hello}
            sleep(_LOOK_S)

    def ask(
        self, job: str, key: str, resources: Mapping[str, float]
    ) -> concurrent.futures.Future[str]:
        """
        What a worker with `resources` answers to a job's text, as soon as there is one; its
        exception is WorkersDied, or a HarnessError where the scheduler is gone. Cancelled, it is
        done no longer.

        Args:
            job: What json.loads would read: a worker of a fleet does it, see plain_pickle.
            key: Different for each, among all who use the scheduler.
            resources: What the worker must have.
        """
        asked = self._answered(job, key, dict(resources))
        return asyncio.run_coroutine_threadsafe(asked, self._runner.loop.asyncio_loop)

    async def _answered(self, job: str, key: str, resources: dict[str, float]) -> str:
        future = self.client.submit(json.loads, job, key=key, pure=False, resources=resources)
        try:
            return str(await future)
        except concurrent.futures.CancelledError as error:
            raise HarnessError(f"the scheduler at {self.address} is gone") from error
        except Exception as error:  # whatever another machine or Dask raised, as bytes or as it is
            raise _failure(error) from error
        finally:
            future.release()

    def hear(self, topic: str, on_text: Callable[[object], None]) -> None:
        """
        From here on, what workers tell under `topic` reaches `on_text`, in a thread of Dask's.

        Args:
            topic: Of whom, and about what.
            on_text: Takes what came, which may be anything.
        """
        self.client.subscribe_topic(topic, lambda event: on_text(event[1]))

    def close(self) -> None:
        """Ends the client, and a scheduler of ours with all its workers."""
        self.client.close(timeout=2)
        if self._scheduler is not None:
            self._runner.run_sync(self._scheduler.close)
        self._runner.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def security_of(certificate: Certificate) -> Any:
    """Dask's own type for it: mutual TLS, and nothing else than TLS."""
    from distributed import Security

    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=certificate.ca_pem,
        **{f"tls_{role}_cert": certificate.certificate_pem for role in roles},
        **{f"tls_{role}_key": certificate.key_pem for role in roles},
    )


def _client(runner: LoopRunner, address: str, security: Any) -> Client:
    from distributed import Client

    return Client(
        address, loop=runner.loop, security=security, timeout=_CONNECT_S, set_as_default=False
    )


def _require_version(client: Client, version: str) -> None:
    told = client.sync(client.scheduler.versions)
    there = told["packages"].get("distributed")
    if there != version:
        raise HarnessError(
            f"{client.scheduler.address} is a scheduler of distributed {there}, and here is "
            f"{version}; install the same: pip install distributed=={there}"
        )


def _failure(error: BaseException) -> HarnessError:
    if "KilledWorker" in repr(error):
        return WorkersDied("each worker that did this job was lost")
    return HarnessError(f"the scheduler cannot have a job done: {str(error)[:500]}")
