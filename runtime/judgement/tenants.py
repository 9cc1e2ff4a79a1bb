"""The door's tenants for models: learn, check, shadow, arm, disarm, label, import.

Room: hall, judgement. `app` gives them to the door, which records intent and outcome; what becomes of a model is an event entry besides,
made by `desk`. They check what they are asked, ask the judge for what needs numpy, and decide by the manifest and the ledger. Arming is
refused while the model does not know normal operation, or while its integer self judges otherwise than its float one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger_client.event_bodies import LABELS, FindingBody, LabelBody, ModelBody
from models.decision import ALARMED_SHARE_MAX, refusal_to_arm
from models.manifest import Manifest
from models.model_fault import ModelFault
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.config_model import ModelDefinition
from runtime.door import Tenant
from runtime.faces.feed import RequestRefusedError
from runtime.judgement.book import MODELS_MAX, SCORING, Entries, ModelPage, event_at
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.model_rows import coverage_of
from runtime.judgement.orders import Orders
from runtime.judgement.plans import plan_of
from runtime.judgement.store import Kept, check_vendor_of
from runtime.points import DevicePoints

DONE: Final = "done"
EXAMINE_S: Final = 30.0
CHECK_S: Final = 50.0
ABOVE: Final = {"checking": "shadow", "off": "shadow", "shadow": "armed"}
"""From where a model may go up, and where to: what alarms was first watched."""
OF_MAKER: Final = {"model_blind_few": "model_blind_maker"}
"""Codes of refusals whose form for an imported model is another one's."""
BELOW: Final = {"armed": "shadow", "shadow": "off", "checking": "off"}
WHO_MAX: Final = 200
LABEL_PARAMS: Final = frozenset({"label", "by", "seq", "from_ms", "to_ms"})
LEARN_PARAMS: Final = frozenset({"from_ms", "to_ms", "recipe", "tags", "grid_ms", "window"})


class ModelActs:
    """Makes the tenants, one for each action; they share the desk."""

    def __init__(
        self, desk: JudgementDesk, orders: Orders, entries: Entries, clock: Clock, devices: Callable[[], Mapping[str, DevicePoints]]
    ) -> None:
        """`entries` as the desk has it."""
        self._desk, self._orders, self._entries, self._clock, self._devices = desk, orders, entries, clock, devices

    def tenants(self) -> dict[str, Tenant]:
        """Return them by action."""
        return {
            "model.learn": _One(self._check_learn, self._learn),
            "model.check": _One(self._check_scores, self._check),
            "model.shadow": _One(self._check_shadow, self._shadow),
            "model.arm": _One(self._check_arm, self._arm),
            "model.disarm": _One(self._check_disarm, self._disarm),
            "model.label": _One(self._check_label, self._label),
            "model.import": _One(self._check_import, self._import),
        }

    # ------------------------------------------------------------------------------------------------------------ learning
    async def _check_learn(self, act: Act) -> None:
        self._ready()
        definition = self._definition(act)
        if self._is_learning(act):
            raise RequestRefusedError("model_is_learning", model=act.target)
        plan_of(definition, self._devices())
        self._span(act, definition)
        self._has_room(act)

    async def _learn(self, act: Act) -> Outcome:
        definition = self._definition(act)
        plan, (from_ms, to_ms), who = plan_of(definition, self._devices()), self._span(act, definition), f"{act.face} {act.session}"
        recipe = act.params.get("recipe") or ""
        self._desk.pending[act.target] = (act.id, who)
        order = {
            "name": act.target, "act": act.id, "plan": plan.plain(), "from_ms": from_ms, "to_ms": to_ms, "recipe": recipe, "who": who,
            "made_ms": self._clock.wall_ms(), "memory_mb": self._desk.models().trainer_memory_mb,
        }  # fmt: skip
        try:
            await self._orders.ask("learn", order)
        except RequestRefusedError:
            self._desk.forget_learning(act.target)
            raise
        if act.target in self._desk.pending:  # a trainer that failed at once has said so already
            self._desk.rows.take_progress(act.target, "reading", 0.0)
            span = {"from_ms": from_ms, "to_ms": to_ms}
            await self._desk.record(ModelBody(act.target, "learning", "learn_started", params=span, act=act.id))
        return Outcome(DONE, {"model": act.target, "from_ms": from_ms, "to_ms": to_ms})

    def _definition(self, act: Act) -> ModelDefinition:
        """Return the definition with what the act says otherwise. Raises RequestRefusedError."""
        found = next((each for each in self._desk.models().define if each.name == act.target), None)
        if found is None:
            raise RequestRefusedError("model_unknown", model=act.target)
        changed: dict[str, Any] = {}
        tags = act.params.get("tags")
        if isinstance(tags, str) and tags:
            wanted = [name.strip() for name in tags.split(",")]
            known = {each if isinstance(each, str) else each.tag: each for each in found.tags}
            changed["tags"] = [known.get(name, name) for name in wanted]
            if not {gate.tag for gate in found.gates} | {side for r in found.ratios for side in (r.over, r.under)} <= set(wanted):
                raise RequestRefusedError("act_shape")
        for name in ("grid_ms", "window"):
            value = act.params.get(name)
            if value is not None:
                if type(value) is not int or not 1 <= value <= 60_000:
                    raise RequestRefusedError("act_shape")
                changed[name] = value
        return found.model_copy(update=changed)

    def _span(self, act: Act, definition: ModelDefinition) -> tuple[int, int]:
        now = self._clock.wall_ms()
        to_ms = act.params.get("to_ms")
        to_ms = now if to_ms is None else to_ms
        from_ms = act.params.get("from_ms")
        from_ms = to_ms - round(definition.learn_s * 1000) if from_ms is None and isinstance(to_ms, int) else from_ms
        plain = set(act.params) <= LEARN_PARAMS and isinstance(act.params.get("recipe", ""), str | None)
        if type(from_ms) is not int or type(to_ms) is not int or not plain or from_ms < 0:
            raise RequestRefusedError("act_shape")
        if not from_ms < to_ms or from_ms >= now:
            raise RequestRefusedError("learn_span")
        return from_ms, to_ms

    # -------------------------------------------------------------------------------------------------------- checking, arming
    async def _check_scores(self, act: Act) -> None:
        self._ready()
        if not self._page(act).scores:
            raise RequestRefusedError("model_does_not_score", model=act.target)

    async def _check(self, act: Act) -> Outcome:
        page, (_, manifest) = self._page(act), self._judged(act)
        order = {"name": act.target, "manifest": page.manifest, "since_seq": page.since_seq, "rows": manifest.rows}
        match await self._orders.ask("check", order, CHECK_S):
            case {"rows": int(rows), "alarmed_share": float(share), "covered": bool(covered), "rows_wanted": int(wanted)}:
                found: dict[str, Any] = {"rows": rows, "alarmed_share": round(share, 4), "covered": covered, "rows_wanted": wanted}
            case _:
                raise RequestRefusedError("judge_word_invalid")
        if not covered and share <= ALARMED_SHARE_MAX:  # quiet, but short: that tells nothing, so what learning found stands
            raise RequestRefusedError("check_too_early", model=act.target, rows=rows, rows_wanted=wanted)
        await self._desk.record(ModelBody(act.target, page.state, "checked", page.manifest, page.model, found, act.id))
        return Outcome(DONE, {"model": act.target, **found, **({"blind": True} if manifest.is_blind else {})})

    async def _check_shadow(self, act: Act) -> None:
        self._ready()
        page, _ = self._judged(act)
        if page.state not in {"checking", "armed", "off"}:
            raise RequestRefusedError("model_state", model=act.target, state=page.state, wanted="shadow")

    async def _shadow(self, act: Act) -> Outcome:
        """On trial it may be whatever it covers; that it is not covered is said, so that nobody waits a shift for nothing."""
        outcome = await self._move(act, "shadow")
        page = self._page(act)  # what the judge thinks of it by now is another matter: it is on trial
        found = coverage_of(page, self._desk.rows.manifest(page.manifest))
        return outcome if found is None or found["covered"] else Outcome(DONE, {**outcome.params, "covered": False})

    async def _check_arm(self, act: Act) -> None:
        self._ready()
        page, manifest = self._judged(act)
        if self._is_learning(act):  # what is learned takes its place and is not armed: nobody would notice that nothing alarms
            raise RequestRefusedError("model_arm_learning", model=act.target)
        if page.state != "shadow":
            raise RequestRefusedError("model_state", model=act.target, state=page.state, wanted="armed")
        checked, coverage, agreement = page.checked, manifest.coverage, manifest.int8_float
        imported = self._desk.rows.is_imported(page)
        tried = coverage.alarmed_share if imported else manifest.alarmed_share
        lacking = coverage.rows_wanted if manifest.is_blind else int(checked.get("rows_wanted", coverage.rows_wanted))
        refusal = refusal_to_arm(
            covered=bool(checked.get("covered", coverage.covered)),
            alarmed_share=float(checked["alarmed_share"]) if "alarmed_share" in checked else tried,
            rows=int(checked.get("rows", manifest.rows)),
            rows_wanted=lacking,
            rms=agreement.rms,
            differing_share=agreement.differing_share,
            reach_share=manifest.reach_share,
        )
        if refusal is not None:
            code = OF_MAKER.get(refusal.code, f"{refusal.code}_maker") if imported else refusal.code  # not to be learned again here
            raise RequestRefusedError(code, **{"model": act.target} | refusal.params)

    async def _arm(self, act: Act) -> Outcome:
        await self._check_arm(act)
        return await self._move(act, "armed")

    async def _check_disarm(self, act: Act) -> None:
        self._ready()
        if self._page(act).state not in BELOW:
            raise RequestRefusedError("model_does_not_score", model=act.target)

    async def _disarm(self, act: Act) -> Outcome:
        return await self._move(act, BELOW[self._page(act).state])

    async def _move(self, act: Act, state: str) -> Outcome:
        page = self._page(act)
        await self._desk.record(ModelBody(act.target, state, f"model_{state}", page.manifest, page.model, {}, act.id))
        return Outcome(DONE, {"model": act.target, "state": state})

    # ------------------------------------------------------------------------------------------------------------------ labels
    async def _check_label(self, act: Act) -> None:
        self._ready()
        await self._labelled(act)

    async def _label(self, act: Act) -> Outcome:
        label = await self._labelled(act)
        seq = await self._desk.record(label)
        return Outcome(DONE, {"model": act.target, "label": label.label, "label_seq": seq})

    async def _labelled(self, act: Act) -> LabelBody:
        page, params = self._page(act), act.params
        label, by, seq = params.get("label"), params.get("by", ""), params.get("seq")
        from_ms, to_ms = params.get("from_ms"), params.get("to_ms")
        if (
            not isinstance(label, str)
            or label not in LABELS
            or not isinstance(by, str)
            or len(by) > WHO_MAX
            or not set(params) <= LABEL_PARAMS
        ):
            raise RequestRefusedError("act_shape")
        who = by or f"{act.face} {act.session}"
        if type(seq) is int and from_ms is None and to_ms is None:
            finding = await asyncio.get_running_loop().run_in_executor(self._desk.work, event_at, self._entries, seq)
            if not isinstance(finding, FindingBody) or finding.name != act.target:
                raise RequestRefusedError("finding_unknown", seq=seq)
            return LabelBody(act.target, finding.manifest_hash, seq, finding.at_ms, finding.at_ms, label, who)
        if seq is None and type(from_ms) is int and type(to_ms) is int and 0 <= from_ms <= to_ms:
            return LabelBody(act.target, page.manifest, None, from_ms, to_ms, label, who)
        raise RequestRefusedError("act_shape")

    # ------------------------------------------------------------------------------------------------------------------ import
    async def _check_import(self, act: Act) -> None:
        self._ready()
        match dict(act.params):
            case {"model": bytes(), "manifest": bytes()} if set(act.params) <= {"model", "manifest", "signature"}:
                if not isinstance(act.params.get("signature", b""), bytes):
                    raise RequestRefusedError("act_shape")
            case _:
                raise RequestRefusedError("act_shape")
        self._has_room(act)

    async def _import(self, act: Act) -> Outcome:
        """Keep it, have the judge look at its structure, and record it; what is refused leaves files that nothing names."""
        manifest, model, signature = (act.params.get(name) for name in ("manifest", "model", "signature"))
        assert isinstance(manifest, bytes)
        assert isinstance(model, bytes)
        vendor = signature if isinstance(signature, bytes) and signature else None
        try:
            kept = await asyncio.get_running_loop().run_in_executor(self._desk.work, self._kept, act.target, manifest, model, vendor)
        except ModelFault as error:
            raise RequestRefusedError(error.code, **error.params) from error
        await self._orders.ask("examine", {"manifest": kept.manifest_hash}, EXAMINE_S)
        self._desk.rows.take_manifest(kept.manifest_hash, kept.manifest)
        code = "imported" if vendor is None else "imported_signed"
        await self._desk.record(ModelBody(act.target, "checking", code, kept.manifest_hash, kept.manifest.model_sha256, {}, act.id))
        return Outcome(DONE, {"model": act.target, "manifest_hash": kept.manifest_hash.hex(), "state": "checking"})

    def _kept(self, name: str, manifest: bytes, model: bytes, vendor: bytes | None) -> Kept:
        """Judge who vouches for it, then keep it. Blocking."""
        models = self._desk.models()
        if vendor is None and not models.unsigned_imports:
            raise ModelFault("model_unsigned")
        kept = self._desk.store.fitting(manifest, model, vendor)
        if kept.manifest.name != name:
            raise ModelFault("model_name_differs", {"name": kept.manifest.name[:60], "model": name})
        if vendor is not None:
            check_vendor_of(kept, [bytes.fromhex(key) for key in models.trusted_keys])
        return self._desk.store.put(manifest, model, vendor)

    # ------------------------------------------------------------------------------------------------------------------ common
    def _ready(self) -> None:
        if not self._desk.models().enabled:
            raise RequestRefusedError("models_off")
        if self._desk.needs_restart:
            raise RequestRefusedError("models_need_restart")
        if not self._desk.ready:
            raise RequestRefusedError("models_not_ready")

    def _is_learning(self, act: Act) -> bool:
        return act.target in self._desk.pending and self._desk.health()["state"] not in {"away", "starting"}

    def _has_room(self, act: Act) -> None:
        """Whether the book has a page for this name: a model without one would be recorded and never score."""
        if act.target not in self._desk.book.pages and len(self._desk.book.pages) >= MODELS_MAX:
            raise RequestRefusedError("models_too_many", most=MODELS_MAX)

    def _page(self, act: Act) -> ModelPage:
        page = self._desk.book.pages.get(act.target)
        if page is None:
            known = any(each.name == act.target for each in self._desk.models().define)
            raise RequestRefusedError("model_not_learned" if known else "model_unknown", model=act.target)
        return page

    def _judged(self, act: Act) -> tuple[ModelPage, Manifest]:
        page = self._page(act)
        manifest = self._desk.rows.manifest(page.manifest)
        if page.refusal is not None:
            raise RequestRefusedError(page.refusal[0], **page.refusal[1])
        if manifest is None or page.state not in SCORING | {"off"}:
            raise RequestRefusedError("model_does_not_score", model=act.target)
        return page, manifest


class _One:
    """A tenant of two functions."""

    def __init__(self, check: Callable[[Act], Any], perform: Callable[[Act], Any]) -> None:
        self._check, self._perform = check, perform

    async def check(self, act: Act) -> None:
        """See Tenant."""
        await self._check(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        outcome: Outcome = await self._perform(act)
        return outcome
