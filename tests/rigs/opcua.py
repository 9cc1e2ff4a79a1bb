"""A real OPC UA server (asyncua) on loopback, with the faults that a test wants of it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_session import InternalSession

from drivers.opcua.config import DeviceOptions
from drivers.opcua.trust import load_identity
from tests.rigs.ports import free_port

PLANT: Final = "urn:plant"
POLICIES: Final = [
    ua.SecurityPolicyType.NoSecurity,
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
]


@dataclass
class Secured:
    """A server with security: its certificate and key (made when absent), and the one user that it lets in (None: anybody)."""

    folder: Path
    user: tuple[str, str] | None = None

    def get_user(self, _: Any, username: str | None = None, password: str | None = None, certificate: Any = None) -> User | None:
        """See asyncua's UserManager."""
        return User(role=UserRole.User) if self.user is None or (username, password) == self.user else None

    def options(self) -> DeviceOptions:
        """Options that make the driver's own code make the files: a server's look the same."""
        files = {"certificate_file": str(self.folder / "server.pem"), "key_file": str(self.folder / "server.key")}
        return DeviceOptions(endpoint="opc.tcp://x", security="basic256sha256", **files)


class OpcUaPlant:
    """Variables s=t0 ... of given start values in the namespace `urn:plant`, which is number 2 unless `namespaces` says otherwise.

    `read_max`: nodes that one read may have, which the server tells when `tells`; `furnish` adds what a test needs besides.
    """

    def __init__(
        self,
        *values: object,
        namespaces: Sequence[str] = (PLANT,),
        secured: Secured | None = None,
        read_max: int = 0,
        tells: bool = True,
        furnish: Callable[[Server, int], Awaitable[None]] | None = None,
    ) -> None:
        self.port = free_port()
        self.endpoint = f"opc.tcp://127.0.0.1:{self.port}/plant"
        self.values = list(values)
        self.namespaces = namespaces
        self.secured = secured
        self.reads: list[int] = []
        self.writes = self.calls = 0
        """Requests to write and to call that a session had."""
        self.info_bits = 0
        """What each status has besides, when it is read."""
        self._read_max, self._tells, self._furnish = read_max, tells, furnish
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        """The running server."""
        assert self._server is not None
        return self._server

    @property
    def index(self) -> int:
        """The number of `urn:plant` now."""
        return 2 + list(self.namespaces).index(PLANT)

    async def start(self) -> None:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        server = Server(user_manager=self.secured)  # type: ignore[arg-type]
        await server.init()
        server.set_endpoint(self.endpoint)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity] if self.secured is None else POLICIES)
        if self.secured is not None:
            load_identity(self.secured.options())
            await server.load_certificate(str(self.secured.folder / "server.pem"))
            await server.load_private_key(str(self.secured.folder / "server.key"), format="pem")
        for uri in self.namespaces:
            await server.register_namespace(uri)
        folder = await server.nodes.objects.add_object(ua.NodeId("plant", self.index), "plant")
        for n, value in enumerate(self.values):
            node = await folder.add_variable(ua.NodeId(f"t{n}", self.index), f"t{n}", value)
            await node.set_writable()
        if self._furnish is not None:
            await self._furnish(server, self.index)
        await self._limit(server)
        await server.start()
        self._server = server

    async def _limit(self, server: Server) -> None:
        plant, told = self, ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)

        class Session(InternalSession):
            async def read(self, params: Any) -> Any:
                if self.external:
                    plant.reads.append(len(params.NodesToRead))
                    if 0 < plant._read_max < len(params.NodesToRead):
                        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
                found = await super().read(params)
                if self.external and plant.info_bits:
                    found = [replace(each, StatusCode=ua.StatusCode(each.StatusCode.value | plant.info_bits)) for each in found]
                return found

            async def write(self, params: Any, *more: Any) -> Any:
                plant.writes += self.external
                return await super().write(params, *more)

            async def call(self, params: Any) -> Any:
                plant.calls += self.external
                return await super().call(params)

        def create(name: str, user: User = User(role=UserRole.Anonymous), external: bool = False) -> InternalSession:
            return Session(server.iserver, server.iserver.aspace, server.iserver.subscription_service, name, user=user, external=external)

        server.iserver.create_session = create  # type: ignore[method-assign]
        if self._read_max and self._tells:
            await server.write_attribute_value(told, ua.DataValue(ua.Variant(self._read_max, ua.VariantType.UInt32)))

    async def stop(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    async def set(self, n: int, value: object, status: int = 0) -> None:
        variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
        await self.server.write_attribute_value(
            ua.NodeId(f"t{n}", self.index), ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=ua.datetime.now(ua.timezone.utc))
        )

    async def get(self, n: int) -> object:
        return await self.server.get_node(ua.NodeId(f"t{n}", self.index)).read_value()
