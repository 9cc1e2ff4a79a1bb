"""Every screen, for the walks that look at them all: each part adds its rows here. `tests/tidy/test_screens.py` refuses a page without.

Room: tests. Three walks: of a feed of plain data (`SCREENS`), of a real gateway (`GATEWAY`), and of the islands of machine setup and of
alarms on a real gateway with steps of their own (`test_setup_screens`, `test_alarm_screens`).
States of SCREENS and GATEWAY: `empty` (no device yet), `full` (values, some bad), `error` (the core does not answer, which only the feed of
plain data is walked in).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from playwright.async_api import Page

from tests.rigs.judged_plant import JudgedPlant, finding, model
from tests.rigs.web_site import PASSWORD

EVERY_STATE: Final = ("empty", "full", "error")
Steps = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ScreenRow:
    """One screen. `role` is who looks (None: nobody signed in), `wait_for` a selector that is there once it has settled.

    `steps` are what a person does there before it is looked at; `{uid}` in a path is the number of a tag with good values.
    """

    name: str
    path: str
    role: str | None = None
    states: tuple[str, ...] = EVERY_STATE
    wait_for: str = "main"
    steps: Steps | None = None


SCREENS: Final = (
    ScreenRow("home", "/"),
    ScreenRow("live", "/live", wait_for="#live table, #live .teach"),
    ScreenRow("live_tag", "/live#d/t2", role="engineer", states=("full",), wait_for="dialog .facts"),
    ScreenRow("live_plain", "/live?plain=1"),
    ScreenRow("prove_waiting", "/prove?uid=2", states=("full", "error")),
    ScreenRow("trends", "/trends", wait_for="#none, .teach"),
    ScreenRow("trends_no_history", "/trends?uids=2,5&t0=1&t1=3600000", states=("full", "error"), wait_for="#trends .verdict"),
    ScreenRow("ledger", "/ledger"),
    ScreenRow("anomalies", "/anomalies"),
    ScreenRow("learn", "/learn"),
    ScreenRow("alarms", "/alarms", states=("error",)),
    ScreenRow("alarm", "/alarms/at/high", states=("error",)),
    ScreenRow("alarm_history", "/alarms/history", states=("error",)),
    ScreenRow("alarm_figures", "/alarms/figures", states=("error",)),
    ScreenRow("handover", "/handover", states=("error",)),
    ScreenRow("add", "/setup/add", role="engineer", states=("error",)),
    ScreenRow("bench", "/setup/bench", role="engineer", states=("error",)),
    ScreenRow("tags", "/setup/tags", role="engineer", states=("error",)),
    ScreenRow("config", "/config", role="engineer", states=("error",)),
    ScreenRow("commands", "/commands", role="engineer", wait_for="#commands .columns, .verdict"),
    ScreenRow("stations", "/stations", role="technician", wait_for=".stations .card, .verdict"),
    ScreenRow("connections", "/connections"),
    ScreenRow("diagnostics", "/diagnostics", role="technician", wait_for="table.processes, .verdict"),
    ScreenRow("about", "/about"),
    ScreenRow("people", "/people", role="admin", states=("error",)),
    ScreenRow("certificate", "/certificate", role="admin", states=("error",)),
    ScreenRow("audit", "/audit", role="engineer"),
    ScreenRow("tablet", "/tablet", role="engineer", states=("error",)),
    ScreenRow("password", "/password", role="engineer", states=("error",)),
    ScreenRow("login", "/login", states=("error",)),
    ScreenRow("sso", "/login/sso", states=("error",)),
    ScreenRow("sso_back", "/login/sso/back?state=x", states=("error",)),
    ScreenRow("again_sso", "/again/sso", role="engineer", states=("error",)),
    ScreenRow("network", "/network", role="admin"),
    ScreenRow("first", "/first", role="admin"),
    ScreenRow("missing", "/nothing-here"),
)
"""On a feed of plain data; what is away or refused by the core is the core's own word there."""


async def refused_claim(page: Page) -> None:
    await page.locator("[name=code]").fill("AAAA-BBBB")
    await page.locator("[name=name]").fill("ada")
    await page.locator("[name=password]").fill("a long walk to the plant")
    await page.locator("button.primary").click()
    await page.locator("#fault").wait_for()


async def refused_login(page: Page) -> None:
    await page.locator("[name=name]").fill("nobody")
    await page.locator("[name=password]").fill("not the password")
    await page.locator("button.primary").click()
    await page.locator("#fault").wait_for()


async def refused_password(page: Page) -> None:
    await page.locator("[name=old]").fill("not the password")
    await page.locator("[name=new]").fill("a long walk to the plant")
    await page.locator("[name=again]").fill("a long walk to the plant")
    await page.locator("button.primary").click()
    await page.locator("#fault").wait_for()


async def refused_reading(page: Page) -> None:
    row = page.locator("[data-target='lab/brix']")
    await row.locator("[name=value]").fill("99")
    await row.locator("button").click()
    await page.locator("[data-target='lab/brix'] [role=alert]").wait_for()


async def opened_people(page: Page) -> None:
    await page.locator("details.person summary").first.click()
    await page.locator("details:not(.person) summary", has=page.locator("xpath=self::*[not(ancestor::header)]")).last.click()


async def refused_certificate(page: Page) -> None:
    form = page.locator('form[data-post="/api/v1/certificate"]')
    await form.locator("[name=pem]").fill("no certificate")
    await form.locator("[name=reason]").fill("our CA signed it")
    await form.locator("button").click()
    await page.locator("dialog.again, [data-said].warn").first.wait_for()
    if await page.locator("dialog.again").count():  # the password was given a while ago
        await page.locator("dialog.again [name=password]").fill(PASSWORD)
        await page.keyboard.press("Enter")
    await form.locator("[data-said].warn").wait_for()


async def own_sheet(page: Page) -> None:
    await page.locator("details.own summary").click()
    await page.locator("details.own .sheet").wait_for()


async def opened_menu(page: Page) -> None:
    """As on a phone: there alone it is seen."""
    await page.set_viewport_size({"width": 320, "height": 900})
    await page.locator("details.menu summary").click()
    await page.locator("details.menu nav").wait_for()


CLAIM: Final = (
    ScreenRow("claim", "/claim", states=("empty",)),
    ScreenRow("claim_refused", "/claim", steps=refused_claim, states=("empty",)),
)
"""On a gateway that nobody owns yet."""
GATEWAY: Final = (
    ScreenRow("home", "/", role="all"),
    ScreenRow("own_sheet", "/", role="all", steps=own_sheet, states=("full",)),
    ScreenRow("menu", "/", role="all", steps=opened_menu, states=("full",)),
    ScreenRow("live", "/live", role="viewer", wait_for="#live table, #live .teach"),
    ScreenRow("prove", "/prove?uid={uid}", role="viewer", states=("full",), wait_for=".proof, .verdict"),
    ScreenRow("trends", "/trends?uids={uid}&range=10m", role="viewer", states=("full",), wait_for=".uplot canvas, #none"),
    ScreenRow("trends_empty", "/trends", role="viewer", states=("empty",), wait_for="#none, .teach"),
    ScreenRow("ledger", "/ledger", role="viewer"),
    ScreenRow("anomalies_off", "/anomalies", role="viewer", states=("empty",)),
    ScreenRow("learn_off", "/learn", role="engineer", states=("full",)),
    ScreenRow("commands", "/commands", role="engineer", wait_for="#commands .columns, .verdict"),
    ScreenRow("stations", "/stations", role="technician", wait_for=".stations .card"),
    ScreenRow("reading_refused", "/stations", role="technician", states=("full",), steps=refused_reading),
    ScreenRow("connections", "/connections", role="viewer"),
    ScreenRow("about", "/about", role="viewer", states=("full",)),
    ScreenRow("people", "/people", role="admin"),
    ScreenRow("people_open", "/people", role="admin", states=("full",), steps=opened_people),
    ScreenRow("certificate", "/certificate", role="admin"),
    ScreenRow("certificate_refused", "/certificate", role="admin", states=("full",), steps=refused_certificate),
    ScreenRow("audit", "/audit", role="all"),
    ScreenRow("audit_nothing_found", "/audit?find=nothing-of-the-kind", role="all", states=("full",)),
    ScreenRow("tablet", "/tablet", role="engineer", states=("full",)),
    ScreenRow("password", "/password", role="viewer", states=("full",)),
    ScreenRow("password_refused", "/password", role="viewer", states=("full",), steps=refused_password),
    ScreenRow("login", "/login", states=("full",)),
    ScreenRow("login_refused", "/login", states=("full",), steps=refused_login),
    ScreenRow("sso_off", "/login/sso", states=("full",), wait_for=".problem"),
    ScreenRow("sso_back_off", "/login/sso/back?state=x", states=("full",), wait_for=".verdict"),
    ScreenRow("again_sso_off", "/again/sso", role="viewer", states=("full",), wait_for=".problem"),
    ScreenRow("denied", "/people", role="viewer", states=("full",), wait_for=".problem"),
    ScreenRow("handover", "/handover", role="viewer", states=("full",)),
    ScreenRow("alarm_unknown", "/alarms/at/high", role="viewer", states=("empty",), wait_for=".problem"),
)
"""On a gateway with people: nothing configured, and everything. `all` is a person with the roles of engineer, technician and admin."""


def alarming(plant: JudgedPlant) -> None:
    """As `plant_with_an_anomaly` made it."""


def calm(plant: JudgedPlant) -> None:
    plant.models = [model("line", cell_ms=plant.clock_ms())]
    plant.findings = []


def abstaining(plant: JudgedPlant) -> None:
    plant.models = [model("line", score=None, abstained="missing", cell_ms=plant.clock_ms())]


def hard_to_learn(plant: JudgedPlant) -> None:
    poor = {"covered": False, "alarmed_share": 0.31, "rows_wanted": 2_400}
    plant.models = [
        model("poor", "checking", coverage=poor, contributions=[]),
        model("swapped", "refused", refused={"code": "model_changed", "params": {"model": "swapped"}}, contributions=[]),
        model("new", "off", manifest_hash=None, coverage=None, contributions=[]),
        model("young", "learning", progress={"stage": "rows", "share": 0.4}, coverage=None, contributions=[]),
    ]


def judge_gone(plant: JudgedPlant) -> None:
    plant.models = [model("line", score=11.9, alarming=True, cell_ms=plant.clock_ms() - 90_000)]
    plant.heard_ms = plant.clock_ms() - 90_000


def refusing(plant: JudgedPlant) -> None:
    """Every act is refused, one of them with many words."""
    hard_to_learn(plant)
    plant.models.append(model("line", "shadow", cell_ms=plant.clock_ms()))
    plant.findings = [finding(5033, plant.clock_ms() - 120_000, evidence={"count": 41})]
    short = {"model": "line", "rows_have": 40, "alarmed_share": 0.31, "rows_wanted": 2_400}
    plant.outcome = {"code": "model_not_covered", "params": short, "seq": 78}


async def refused_arming(page: Page) -> None:
    form = page.locator("form[data-act=step]", has=page.locator("[formaction='/learn/arm']:not([hidden])"))
    await form.locator("[name=reason]").fill("its trial was quiet")
    await form.locator("[formaction='/learn/arm']").click()
    await page.locator("#refused").wait_for()
    assert await form.locator("[name=reason]").input_value() == "its trial was quiet"


async def refused_label(page: Page) -> None:
    await page.locator("#label-5033").click()
    await page.locator("#label-note").fill("valve 3 stuck")
    await page.locator("[value=not_normal]").click()
    await page.locator("#refused").wait_for()
    assert await page.locator("#label-note").input_value() == "valve 3 stuck"
    assert await page.locator("form [name=finding]").get_attribute("value") == "5033"


JUDGED: Final = (
    (ScreenRow("model_refused", "/learn", "engineer", ("full",), "[formaction='/learn/arm']:not([hidden])", refused_arming), refusing),
    (ScreenRow("label_refused", "/anomalies?model=line", "technician", ("full",), "#label-5033", refused_label), refusing),
    (ScreenRow("anomalies_alarming", "/anomalies?model=line", states=("full",), wait_for="#chart .u-over"), alarming),
    (ScreenRow("learn_models", "/learn", states=("full",)), alarming),
    (ScreenRow("anomalies_calm", "/anomalies", states=("full",), wait_for="#chart .u-over"), calm),
    (ScreenRow("anomalies_abstaining", "/anomalies", states=("full",), wait_for=".verdict.warn"), abstaining),
    (ScreenRow("learn_hard", "/learn", states=("full",)), hard_to_learn),
    (ScreenRow("anomalies_no_score", "/anomalies?model=poor", states=("full",)), hard_to_learn),
    (ScreenRow("anomalies_old", "/anomalies", states=("full",), wait_for=".verdict.alarm"), judge_gone),
    (ScreenRow("home_judge_gone", "/", states=("full",)), judge_gone),
)
"""Of models, and what is to be made of the plant before: on a feed with a judge (`tests/rigs/judged_plant.py`)."""
