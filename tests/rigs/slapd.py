"""A real directory: Debian's slapd on loopback, with a few people and groups, over LDAPS, StartTLS or nothing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from tests.rigs.certificate import make_certificate
from tests.rigs.ports import free_port

BASE = "dc=works,dc=example"
READER, READER_PASSWORD = f"cn=reader,{BASE}", "the reader's own"
PEOPLE = {"anna": ("engineers", "fitters"), "bert": ("fitters",), "cleo": (), "ada": ("bosses",)}
PASSWORD = "five blue gloves of {0}"
SCHEMAS = ("core", "cosine", "inetorgperson")
CONFIG = """
{schemas}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
TLSCACertificateFile {cert}
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
sizelimit 500
database mdb
suffix "{base}"
rootdn "cn=root,{base}"
rootpw "root of all"
directory {folder}/db
maxsize 16777216
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by self read by * none
"""


def find_slapd() -> str | None:
    """The path of the server; Debian puts it where a plain user's PATH does not look."""
    return shutil.which("slapd", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin")


class Slapd:
    """One server process in `folder`. `secure` is its LDAPS port, `plain` the one for StartTLS."""

    def __init__(self, folder: Path, reader_password: str = READER_PASSWORD) -> None:
        self.folder, self.plain, self.secure = folder, free_port(), free_port()
        self._reader_password = reader_password
        self.ca, self.key = make_certificate(folder)
        (folder / "db").mkdir()
        (folder / "reader.password").write_text(reader_password + "\n")
        schemas = "\n".join(f"include /etc/ldap/schema/{name}.schema" for name in SCHEMAS)
        (folder / "slapd.conf").write_text(
            CONFIG.format(schemas=schemas, folder=folder, cert=self.ca, key=self.key, base=BASE, reader=READER)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.change(_people(self._reader_password), add=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        binary = find_slapd()
        assert binary is not None
        urls = f"ldap://127.0.0.1:{self.plain} ldaps://127.0.0.1:{self.secure}"
        log = (self.folder / "slapd.log").open("wb")
        self._process = subprocess.Popen([binary, "-f", str(self.folder / "slapd.conf"), "-h", urls, "-d", "0"], stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + 20
        while not (_open(self.plain) and _open(self.secure)):
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"no directory: {(self.folder / 'slapd.log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.terminate()
            process.wait(timeout=20)

    def change(self, ldif: str, *, add: bool = False) -> None:
        """Change entries as the directory's own admin, with Debian's tools."""
        command = ["ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.plain}", "-D", f"cn=root,{BASE}", "-w", "root of all"]
        subprocess.run([*command, *(["-a"] if add else [])], input=ldif.encode(), check=True, capture_output=True)

    def options(self, **more: Any) -> dict[str, Any]:
        """Return what [ldap] says to ask it over LDAPS."""
        own = {
            "url": f"ldaps://127.0.0.1:{self.secure}", "ca_file": str(self.ca), "bind_dn": READER,
            "bind_password_file": str(self.folder / "reader.password"), "base": f"ou=people,{BASE}", "label": "Works",
            "roles": {role: [f"cn={group},ou=groups,{BASE}"] for role, group in ROLES.items()},
        }  # fmt: skip
        return {**own, **more}


ROLES = {"engineer": "engineers", "technician": "fitters", "admin": "bosses"}


def _people(reader_password: str) -> str:
    rows = [
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Works\ndc: works\n",
        f"dn: {READER}\nobjectClass: person\ncn: reader\nsn: reader\nuserPassword: {reader_password}\n",
        *(f"dn: ou={name},{BASE}\nobjectClass: organizationalUnit\nou: {name}\n" for name in ("people", "groups")),
    ]
    for name in PEOPLE:
        rows.append(
            f"dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n"
            f"mail: {name}@works.example\nuserPassword: {PASSWORD.format(name)}\n"
        )
    for group in ROLES.values():
        members = "".join(f"member: uid={name},ou=people,{BASE}\n" for name, groups in PEOPLE.items() if group in groups)
        rows.append(f"dn: cn={group},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {group}\n{members}")
    return "\n".join(rows)


def _open(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.2)
        return sock.connect_ex(("127.0.0.1", port)) == 0
