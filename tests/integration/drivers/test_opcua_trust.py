"""Secured channels against a real asyncua server: policies and modes, pinned certificates, one that changed, users and passwords."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.driver import DriverError
from drivers.opcua.config import DeviceOptions
from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.trust import fingerprint, load_identity
from tests.integration.drivers.test_opcua_driver import group_of, run
from tests.rigs.clock import RunningClock
from tests.rigs.opcua import OpcUaPlant, Secured

pytestmark = pytest.mark.integration


@asynccontextmanager
async def running(plant: OpcUaPlant) -> AsyncIterator[OpcUaPlant]:
    await plant.start()
    try:
        yield plant
    finally:
        await plant.stop()


def options_of(plant: OpcUaPlant, folder: Path, **more: Any) -> DeviceOptions:
    files = {"certificate_file": str(folder / "us.pem"), "key_file": str(folder / "us.key")}
    return DeviceOptions.model_validate({"endpoint": plant.endpoint, "security": "basic256sha256", **files, **more})


async def read(options: DeviceOptions) -> Any:
    async with OpcUaDriver(options, RunningClock()) as driver:
        return (await driver.read(group_of("float64"), 5.0)).values


async def refusal(options: DeviceOptions) -> DriverError:
    with pytest.raises(DriverError) as caught:
        await read(options)
    return caught.value


def pin_of(folder: Path) -> str:
    return fingerprint(load_identity(Secured(folder).options()).certificate)


@pytest.fixture(scope="module")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server's certificate is: making one takes a second."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the driver makes its certificate."""
    return tmp_path_factory.mktemp("us")


def test_every_policy_and_mode_with_a_pinned_certificate(server_folder: Path, folder: Path) -> None:
    async def test() -> None:
        async with running(OpcUaPlant(1.5, secured=Secured(server_folder))) as plant:
            pin = pin_of(server_folder)
            for policy, mode in (
                ("basic256sha256", "sign_and_encrypt"),
                ("basic256sha256", "sign"),
                ("aes128_sha256_rsaoaep", "sign_and_encrypt"),
                ("aes256_sha256_rsapss", "sign_and_encrypt"),
                ("aes256_sha256_rsapss", "sign"),
            ):
                made = options_of(plant, folder, security=policy, security_mode=mode, server_fingerprint=pin)
                assert await read(made) == [1.5]
            assert stat.S_IMODE((folder / "us.key").stat().st_mode) == 0o600
            made = options_of(plant, folder, security="aes128_sha256_rsaoaep", security_mode="sign", server_fingerprint=pin)
            refused = await refusal(made)
            assert refused.cause == "opcua_security_not_offered"
            assert "Basic256Sha256 Sign" in str(refused.params["offered"])
            async with OpcUaDriver(DeviceOptions(endpoint=plant.endpoint), RunningClock()) as driver:
                offered = {(each.security, each.mode): each for each in await driver.offers(5.0)}
            assert offered.keys() == {
                ("none", "none"), ("basic256sha256", "sign"), ("basic256sha256", "sign_and_encrypt"),
                ("aes128_sha256_rsaoaep", "sign_and_encrypt"), ("aes256_sha256_rsapss", "sign"),
                ("aes256_sha256_rsapss", "sign_and_encrypt"),
            }  # fmt: skip
            assert {each.fingerprint for key, each in offered.items() if key[0] != "none"} == {pin}

    run(test)


def test_the_channel_of_a_secured_session_is_renewed_and_pushes_come_through(server_folder: Path, folder: Path) -> None:
    async def test() -> None:
        async with running(OpcUaPlant(1.5, secured=Secured(server_folder))) as plant:
            async with OpcUaDriver(options_of(plant, folder, server_fingerprint=pin_of(server_folder)), RunningClock()) as driver:
                group = group_of("float64")
                for _ in range(3):
                    assert (await driver.read(group, 5.0)).values == [1.5]
                    assert driver._link is not None
                    driver._link.session._renew_at = 0.0
                async for scan in driver.subscribe(group):
                    assert scan.values == [1.5]
                    break

    run(test)


def test_an_unknown_certificate_is_refused_and_the_refusal_says_what_to_paste(server_folder: Path, folder: Path) -> None:
    async def test() -> None:
        async with running(OpcUaPlant(1.5, secured=Secured(server_folder))) as plant:
            refused = await refusal(options_of(plant, folder))
            assert refused.cause == "opcua_server_not_pinned"
            shown = str(refused.params["fingerprint"])
            assert shown == pin_of(server_folder)
            assert await read(options_of(plant, folder, server_fingerprint=shown)) == [1.5]

    run(test)


def test_a_certificate_that_changed_is_refused_until_it_is_pinned(server_folder: Path, folder: Path, tmp_path: Path) -> None:
    async def test() -> None:
        plant = OpcUaPlant(1.5, secured=Secured(server_folder))
        pin = pin_of(server_folder)
        async with running(plant), OpcUaDriver(options_of(plant, folder, server_fingerprint=pin), RunningClock()) as driver:
            assert (await driver.read(group_of("float64"), 5.0)).values == [1.5]
            await plant.stop()
            plant.secured = Secured(tmp_path)
            await plant.start()
            causes = set()
            for _ in range(40):
                with pytest.raises(DriverError) as caught:
                    await driver.read(group_of("float64"), 5.0)
                causes.add(caught.value.cause)
                if caught.value.cause == "opcua_server_changed":
                    assert caught.value.params["fingerprint"] == pin_of(tmp_path)
                    assert caught.value.params["pinned"] == pin
                    break
                await asyncio.sleep(0.1)
            assert "opcua_server_changed" in causes

    run(test)


def test_users_come_out_of_files_and_a_wrong_password_is_refused(server_folder: Path, folder: Path, tmp_path: Path) -> None:
    async def test() -> None:
        async with running(OpcUaPlant(1.5, secured=Secured(server_folder, ("reader", "secret")))) as plant:
            user, password = tmp_path / "user", tmp_path / "password"
            user.write_text("reader\n")
            password.write_text("secret\n")
            password.chmod(0o600)
            files = {"user_file": str(user), "password_file": str(password), "server_fingerprint": pin_of(server_folder)}
            for mode in ("sign_and_encrypt", "sign"):
                assert await read(options_of(plant, folder, security_mode=mode, **files)) == [1.5]
            assert (await refusal(options_of(plant, folder, server_fingerprint=pin_of(server_folder)))).cause == "connect_failed"
            password.write_text("wrong")
            refused = await refusal(options_of(plant, folder, **files))
            assert (refused.cause, "BadUserAccessDenied" in str(refused.params["detail"])) == ("connect_failed", True)
            assert "wrong" not in str(refused)
            password.chmod(0o644)
            refused = await refusal(options_of(plant, folder, **files))
            assert (refused.cause, refused.params["file"]) == ("opcua_file_unusable", str(password))

    run(test)


def test_a_password_never_goes_out_readable(server_folder: Path, folder: Path, tmp_path: Path) -> None:
    """A server whose user token asks for no encryption, on a channel that only signs."""

    async def test() -> None:
        async with running(OpcUaPlant(1.5, secured=Secured(server_folder))) as plant:
            for endpoint in plant.server.iserver.endpoints:
                for token in endpoint.UserIdentityTokens:
                    token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"
            for name, text in (("user", "reader"), ("password", "secret")):
                (tmp_path / name).write_text(text)
                (tmp_path / name).chmod(0o600)
            files = {"user_file": str(tmp_path / "user"), "password_file": str(tmp_path / "password")}
            refused = await refusal(options_of(plant, folder, security_mode="sign", server_fingerprint=pin_of(server_folder), **files))
            assert refused.cause == "opcua_password_in_clear"
            assert await read(options_of(plant, folder, server_fingerprint=pin_of(server_folder), **files)) == [1.5]

    run(test)
