"""Where the page of a gateway listens that is to be reached from the network: before it has an owner, and after."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from runtime.faces.feed_client import ask_once
from runtime.web_names import own_addresses
from tests.rigs.gateway import Gateway, cli, until
from tests.rigs.ports import free_port
from tests.rigs.web_site import PASSWORD

NAME = "press.plant.example"
ALSO_OURS = "127.0.0.2"
"""An address of this machine that no list of its names has, as one that it is given while it runs."""


def outside_address() -> str:
    """An address of this machine that is not loopback: what others see of it."""
    found = [each for each in own_addresses() if ":" not in each and not each.startswith("127.")]
    if not found:
        pytest.skip("this machine has no address but loopback")
    return found[0]


def pages_said(gateway: Gateway) -> list[str]:
    """The addresses that the console has named so far, in words."""
    return re.findall(r"^The gateway's page: (\S+)$", gateway.log.read_text(), re.MULTILINE)


async def answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(verify=False) as client:
            return bool((await client.get(url)).json()["core"])
    except (httpx.HTTPError, ValueError):
        return False


async def before_the_claim(gateway: Gateway, port: int, outside: str) -> None:
    """Others find nothing at all; whoever is at the machine may claim it, and sees nothing else."""
    for address in (outside, ALSO_OURS):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/", timeout=30) as at:
        assert (await at.get("/api/v1/values")).status_code == 401
        assert (await at.get("/live")).status_code == 303
        assert (await at.get("/claim")).status_code == 200
        for host in ("evil.example", f"evil.example:{port}", ALSO_OURS, outside + ".evil.example"):
            assert (await at.get("/api/v1/alive", headers={"host": host})).status_code == 421, host
        code = (await cli("accounts", "claim-code", "--state", str(gateway.state)))[1]["claim_code"]
        form = {"code": code, "name": "Ada", "password": PASSWORD}
        foreign = await at.post("/claim", data=form, headers={"origin": "http://evil.example"})
        assert foreign.status_code == 403, "no other site claims it for itself"
        claimed = await at.post("/claim", data=form, headers={"origin": f"http://127.0.0.1:{port}"})
        assert claimed.status_code == 303, claimed.text


async def after_it(folder: Path, port: int, outside: str) -> None:
    """TLS only, at every address; plain HTTP is told where to go, and nothing of what it brought is looked at."""
    for address in (outside, ALSO_OURS, "127.0.0.1"):
        async with httpx.AsyncClient(verify=False, timeout=30) as client:
            assert (await client.get(f"https://{address}:{port}/api/v1/alive")).status_code == 200, address
            assert (await client.get(f"https://{address}:{port}/api/v1/values")).status_code == 401
            moved = await client.get(f"http://{address}:{port}/live?find=a")
            assert (moved.status_code, moved.headers["location"]) == (308, f"https://{address}:{port}/live?find=a")
            assert moved.content == b""
            posted = await client.post(f"http://{address}:{port}/login", data={"name": "Ada", "password": PASSWORD})
            assert (posted.status_code, posted.content, "set-cookie" in posted.headers) == (400, b"", False)
            for host in ("evil.example", f"evil.example:{port}", f"{outside}.evil.example", "0.0.0.0", "192.0.2.77"):
                assert (await client.get(f"https://{address}:{port}/api/v1/alive", headers={"host": host})).status_code == 421, host
                assert (await client.get(f"http://{address}:{port}/", headers={"host": host})).status_code == 400, host
            assert (await client.get(f"https://{address}:{port}/api/v1/alive", headers={"host": f"{NAME}:{port}"})).status_code == 200
    certificate = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes())
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert outside in {str(each) for each in named.get_values_for_type(x509.IPAddress)}
    assert {NAME, "localhost"} <= set(named.get_values_for_type(x509.DNSName))
    trusting = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    for name in (NAME, "localhost", outside):
        _, writer = await asyncio.open_connection(outside, port, ssl=trusting, server_hostname=name)
        writer.close()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection(outside, port, ssl=trusting, server_hostname="evil.example")


def test_a_gateway_is_open_to_the_network_once_it_has_an_owner_and_by_tls_only(tmp_path: Path) -> None:
    async def run() -> None:
        outside, port, config = outside_address(), free_port(), tmp_path / "gateway.toml"
        config.write_text(
            f'[gateway]\nname = "press"\n[models]\nenabled = false\n[web]\nhost = "0.0.0.0"\nport = {port}\nhosts = ["{NAME}"]\n'
        )
        gateway = Gateway(tmp_path / "state", config)
        await gateway.start()
        try:
            await _until_answering(f"http://127.0.0.1:{port}/api/v1/alive")
            await before_the_claim(gateway, port, outside)
            await until(lambda: pages_said(gateway) == [f"http://127.0.0.1:{port}/"], 10)
            await _until_answering(f"https://{outside}:{port}/api/v1/alive")
            await after_it(gateway.state / "private" / "web", port, outside)
            await until(lambda: len(pages_said(gateway)) == 2, 10)
            said = pages_said(gateway)[1]
            assert said.startswith("https://")
            assert not said.startswith("https://127.")
            await _until_answering(f"{said}api/v1/alive")
            gateway.kill_child("runtime.faces.web")
            await _until_answering(f"https://{outside}:{port}/api/v1/alive")
            assert (await ask_once(gateway.state / "run" / "feed.sock", "web", "account.state", {}, 10))["claimed"]
        finally:
            await gateway.stop()

    asyncio.run(run())


async def _until_answering(url: str) -> None:
    async with asyncio.timeout(60):
        while not await answers(url):
            await asyncio.sleep(0.2)
