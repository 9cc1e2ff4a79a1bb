// A report as people read it: the verdict first, then what was shown, what is proved and what is not, and each claim with its reason.
// It adds nothing to what the report says. `shown` = { report, words, reasons, language, trust, file }.

import { chartOf } from "./chart.js";
import { el, facts, small } from "./elements.js";
import { exactMoment, filled, localMoment, moment, momentS, qualityOf, spanText, valueText } from "./format.js";
import { CLAIMS } from "./judge.js";
import { SELF } from "./policy.js";

const ROWS_FIRST = 50;
const ROWS_MORE = 500;
const MARKS = { holds: "✓", fails: "✗", unknown: "?" };

/** All of the result but the verdict. */
export function resultOf(shown) {
  const { report } = shown;
  const parts = [wrongCard(shown)];
  if (report.facts.reading) parts.push(readingCard(shown));
  if (report.facts.origin) parts.push(whoCard(shown), whenCard(shown));
  parts.push(...saidCards(shown));
  if (report.facts.series?.length) parts.push(seriesCard(shown));
  if (report.facts.gaps?.length) parts.push(gapsCard(shown));
  if (report.facts.approvals?.length) parts.push(approvalsCard(shown));
  if (report.facts.acts?.length) parts.push(actsCard(shown));
  parts.push(claimsCard(shown), fileCard(shown));
  return parts.filter(Boolean);
}

/** The verdict's key: what the keys came with must not make a proof. */
export function headlineOf({ report, trust }) {
  if (report.verdict === "fails") return ["fails", "says_fails"];
  if (trust === "none") return ["cannot", "says_none"];
  if (report.verdict === "cannot tell") return ["cannot", "says_cannot"];
  if (trust === "itself") return ["cannot", "says_itself"];
  return ["holds", report.independent === "no" ? "says_holds_own" : "says_holds"];
}

/** The verdict, and on paper the sheet's heading above it. */
export function verdictOf(shown) {
  const [verdict, says] = headlineOf(shown);
  const mark = { holds: "✓", fails: "✗", cannot: "?" }[verdict];
  const box = el(
    "section", { class: `verdict ${verdict}`, id: "verdict", tabindex: "-1", role: "status" },
    el("span", { class: "mark", "aria-hidden": "true" }, mark),
    el("div", {}, el("p", { class: "word" }, shown.words[`verdict_${verdict}`]), el("p", {}, shown.words[says])),
  );
  return [el("h2", { class: "sheet-title" }, `Witnessmark · ${shown.words.sheet}`), box];
}

function card(title, ...children) {
  return el("section", { class: "card" }, el("h2", {}, title), ...children);
}

// ------------------------------------------------------------------------------------------------------------ what was shown
function readingCard({ report, words, language }) {
  const { tag, reading, leaf, supersededBy } = report.facts;
  const unit = tag.unit ? ` ${tag.unit}` : "";
  const quality = qualityOf(reading.status);
  const head = el(
    "p", { class: "reading" }, el("span", { class: "name" }, tag.name), el("strong", {}, valueText(reading.value, words) + unit),
    el("span", { class: `quality ${quality}` }, words[quality]),
  );
  const newer = supersededBy && filled(words.superseded, { value: valueText(supersededBy.value, words) + unit });
  const rows = facts([
    [words.superseded_by, newer],
    [words.read_at_said, moment(reading.timeMs), small(localMoment(reading.timeMs, language))],
    [words.device_time, reading.sourceMs === null ? null : moment(reading.sourceMs)],
    [words.asset, tag.asset], [words.source, tag.source], [words.calibration, tag.calibration],
  ]);
  const all = [...leaf].sort((a, b) => Number(a.timeMs - b.timeMs)); // those of one time stay as they were recorded
  const drawn = all.length > 1 ? chartOf(all, chartLabel(words, tag, all), reading) : null;
  return card(words.tag, head, rows, drawn, all.length > 1 ? readingsTable(all, words, reading) : null);
}

function chartLabel(words, tag, readings) {
  return filled(words.chart, { tag: tag.name, count: readings.length, from: moment(readings[0].timeMs), to: moment(readings.at(-1).timeMs) });
}

function readingsTable(readings, words, marked = null) {
  const body = el("tbody");
  let next = 0;
  const add = (count) => {
    for (const each of readings.slice(next, next + count)) {
      body.append(el(
        "tr", { class: each === marked ? "marked" : null },
        el("td", {}, exactMoment(each.timeMs)), valueCell(valueText(each.value, words)), el("td", {}, words[qualityOf(each.status)]),
      ));
    }
    next += count;
  };
  add(ROWS_FIRST);
  const more = el("button", { type: "button", class: "quiet", onclick: () => {
    add(ROWS_MORE);
    more.hidden = next >= readings.length;
  } }, words.more);
  more.hidden = next >= readings.length;
  const heads = [words.read_at, words.value, words.quality];
  return el("div", { class: "table" }, el("table", {}, el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))), body), more);
}

/** Numbers stay on one line; what is longer than any number may break anywhere. */
function valueCell(text) {
  return el("td", { class: text.length > 24 ? "num long" : "num" }, text);
}

function seriesCard({ report, words }) {
  const { series } = report.facts;
  const place = el("div");
  const show = (index) => {
    const { tag, readings, count } = series[index];
    const note = filled(words.readings_lead, { shown: readings.length, count });
    place.replaceChildren(
      el("p", {}, small(`${tag.asset}${tag.asset ? " · " : ""}${note}${tag.unit ? ` · ${tag.unit}` : ""}`)),
      chartOf(readings, chartLabel(words, tag, readings)) ?? "", readingsTable(readings, words),
    );
  };
  const options = series.map(({ tag }, index) => el("option", { value: String(index) }, tag.name));
  const pick = el("select", { onchange: (event) => show(Number(event.target.value)) }, options);
  show(0);
  return card(words.readings, el("label", { class: "pick" }, el("span", {}, words.pick), pick), place);
}

function gapsCard({ report, words, reasons }) {
  const rows = report.facts.gaps.slice(0, ROWS_FIRST).map(([, from, to, cause, count]) => el("li", {}, `${moment(from)} – ${moment(to)}: ${causeText(reasons, cause)} (${count})`));
  const more = report.facts.gaps.length - rows.length;
  return card(words.gaps, el("ul", {}, rows), more > 0 ? el("p", {}, filled(words.finding_more, { count: more })) : null);
}

/** Who approved what with a key of their own. */
function approvalsCard({ report, words, reasons }) {
  const rows = report.facts.approvals.map(({ meaning, name, timeMs, own, seq, status, code }) => el(
    "li", { class: status }, el("strong", {}, name), ` · ${words[`meaning_${meaning}`]}${own ? ` · ${words.self_approved}` : ""} · ${MARKS[status]} ${words[status]}`,
    el("br"), small(`${moment(timeMs)} · ${filled(reasons[code], { name, seq })}`),
  ));
  return card(words.approvals, el("ul", { class: "plain" }, rows));
}

/** What else the device recorded: starts, changes, commands, events. The newest are shown. */
function actsCard({ report, words }) {
  const { acts } = report.facts;
  const rows = acts.slice(-ROWS_FIRST).map((entry) => el("li", {}, `${moment(entry.wallMs)} · ${words[`kind_${entry.kind}`] ?? words.kind_later}${saidBy(entry)}`));
  const more = acts.length - rows.length;
  return card(words.acts, el("ul", { class: "plain" }, rows), more > 0 ? el("p", {}, filled(words.finding_more, { count: more })) : null);
}

/** What an entry says in words of its own. */
function saidBy({ kind, detail }) {
  const texts = {
    0: () => [detail[0]], 2: () => [detail[0], detail[1]], 3: () => [`${moment(detail[0])} → ${moment(detail[1])}`], 4: () => [detail[2]],
    8: () => [detail[2]], 9: () => [detail[0]], 10: () => [detail[0].split("/").at(-1)], 11: () => [detail[0]], 12: () => [detail[3], detail[4]],
  }[kind]?.() ?? [];
  return texts.filter(Boolean).map((text) => ` · ${text}`).join("");
}

/** A cause as a phrase; its parameters were not kept: a text of its own for that, else brackets around a blank go, and other blanks are an ellipsis. */
function causeText(reasons, cause) {
  const text = reasons[`${cause}.sort`] ?? reasons[cause] ?? cause;
  return text.replace(/\s*[(（][^()（）]*\{\w+\}[^()（）]*[)）]/g, "").replace(/\{\w+\}/g, "…").replace(/[.。]$/, "");
}

// ------------------------------------------------------------------------------------------------------------ by whom, since when
function whoCard({ report, words }) {
  const { origin, witnesses } = report.facts;
  const run = ({ operator }) => (operator === SELF ? words.self : operator ?? words.unknown_operator);
  const rows = witnesses.map((each) => el(
    "li", {}, el("strong", {}, each.name), ` · ${words.run_by} ${run(each)}`, el("br"), small(`${words.cosigned} ${momentS(each.timeS)}`),
  ));
  return card(words.who, facts([[words.device, origin]]), el("p", { class: "label" }, words.witness), rows.length ? el("ul", { class: "plain" }, rows) : el("p", {}, words.nothing));
}

function whenCard({ report, words, language }) {
  const { time, fromMs, toMs, reading } = report.facts;
  const known = time && (time.notBeforeS !== null || time.notAfterS !== null);
  if (!known && fromMs === undefined) return null;
  const rows = facts([
    fromMs === undefined || fromMs === null ? null : [words.entries, `${moment(fromMs)} – ${moment(toMs)}`],
    reading ? [words.not_before, time.notBeforeS === null ? words.no_bound : momentS(time.notBeforeS), small(time.notBeforeBy && filled(words.by_receipt, { by: time.notBeforeBy }))] : null,
    time ? [words.not_after, time.notAfterS === null ? words.no_bound : momentS(time.notAfterS), small(time.notAfterS === null ? "" : `${words.by_quorum} · ${localMoment(time.notAfterS * 1000n, language)}`)] : null,
  ]);
  const both = time && time.notBeforeS !== null && time.notAfterS !== null;
  const window = both ? filled(reading ? words.window : words.window_range, { span: spanText(time.notAfterS - time.notBeforeS, words) }) : "";
  return card(words.when, rows, window || reading ? el("p", {}, [window, reading ? words.reading_time : ""].filter(Boolean).join(" ")) : null);
}

// ------------------------------------------------------------------------------------------------------------ proved, and not
function saidCards(shown) {
  const { report, words, trust } = shown;
  const holding = trust === "itself" || trust === "none" ? [] : CLAIMS.filter((name) => report.claims[name].status === "holds");
  const proved = holding.map((name) => words[`${report.subject}_${name}`]);
  const open = openPoints(shown);
  return [
    card(words.proved, proved.length ? list(proved, "holds") : el("p", {}, words.nothing)),
    open.length ? card(words.open_points, list(open, "unknown")) : null,
    card(words.not_proved, list(limits(shown), "not")),
  ].filter(Boolean);
}

/** What is false, before anything else. */
function wrongCard(shown) {
  const wrong = CLAIMS.map((name) => shown.report.claims[name]).filter(({ status }) => status === "fails");
  return wrong.length ? card(shown.words.broken, list(wrong.map((claim) => reasonOf(shown, claim)), "fails")) : null;
}

/** What could not be checked; what only follows from that is not said again. */
function openPoints(shown) {
  const { report, words, trust } = shown;
  const claims = CLAIMS.map((name) => report.claims[name]).filter(({ status, code }) => status === "unknown" && code !== "depends_on_altered");
  const said = [...new Set(claims.map((claim) => reasonOf(shown, claim)))];
  return trust === "itself" ? [words.says_itself, ...said] : said;
}

function limits({ report, words }) {
  const out = [words.limit_instrument, words.limit_key];
  const { independent, subject } = report;
  if (!report.facts.witnesses?.length) out.push(words.limit_nobody); // of no witness at all it cannot be said whose they are
  else if (independent === "no") out.push(words.limit_own);
  else if (independent === "unknown") out.push(words.limit_operator);
  out.push(subject === "proof" ? words.limit_others : words.limit_range, words.limit_collusion);
  const { time } = report.facts;
  if (subject === "proof" && time?.notBeforeS != null && time.notAfterS !== null) out.push(words.limit_late);
  return out;
}

function list(texts, status) {
  return el("ul", { class: `marks ${status}` }, texts.map((text) => el("li", {}, text)));
}

export function reasonOf({ reasons, words }, { code, params }) {
  return filled(reasons[code] ?? words[code] ?? code, params);
}

// ------------------------------------------------------------------------------------------------------------ for experts
function claimsCard(shown) {
  const { report, words, reasons, trust } = shown;
  const rows = CLAIMS.map((name) => {
    const claim = report.claims[name];
    // By keys that came with the evidence a claim fits; it does not hold.
    const fits = trust === "itself" && claim.status === "holds";
    const findings = claim.findings.slice(1, 5).map((each) => el("li", {}, reasonOf(shown, each)));
    const more = claim.count - 5;
    return el(
      "tr", { class: fits ? "unknown" : claim.status, "data-claim": name, "data-code": claim.code },
      el("th", { scope: "row" }, reasons[`claim.${name}`]),
      el("td", { class: "status" }, el("span", { "aria-hidden": "true" }, MARKS[fits ? "unknown" : claim.status]), ` ${words[fits ? "fits" : claim.status]}`),
      el("td", {}, reasonOf(shown, claim), findings.length ? el("ul", {}, findings) : null, more > 0 ? el("p", {}, filled(words.finding_more, { count: more })) : null),
    );
  });
  const heads = [words.claim, words.result, words.reason].map((text) => el("th", { scope: "col" }, text));
  const table = el("div", { class: "table claims" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows)));
  return el("section", { class: "card" }, el("details", { open: true }, el("summary", {}, words.details), table, expertFacts(shown)));
}

function expertFacts({ report, words, reasons }) {
  const { seq, entry, checkpoint, fromSeq, toSeq, readings, bad, dropped, withheld, witnesses } = report.facts;
  return facts([
    seq === undefined ? null : [words.entry, String(seq)],
    entry ? [words.clock, `${words[`clock_${entry.clock}`]} · ${words.boot} ${entry.boot}`] : null,
    fromSeq === undefined ? null : [words.entries, filled(words.entries_text, { from: fromSeq, to: toSeq })],
    readings === undefined ? null : [words.readings, filled(words.readings_text, { good: readings - bad, bad, dropped })],
    withheld ? [reasons["claim.withheld"], filled(words.unsaid, { count: withheld })] : null,
    checkpoint ? [words.tree, String(checkpoint.size)] : null,
    checkpoint ? [words.root, el("code", {}, checkpoint.root)] : null,
    ...(witnesses ?? []).map((each) => [words.witness, el("code", {}, each.key)]),
  ]);
}

function fileCard({ words, file, version, language }) {
  const now = BigInt(Date.now());
  return card(words.file, facts([
    [words.file, file.name], [words.size, `${file.size} B`], [words.sha256, el("code", {}, file.digest)],
    [words.trust, file.trust], [words.fingerprint, file.fingerprint ? el("code", {}, file.fingerprint) : null],
    [words.checked, moment(now - (now % 1000n)), small(localMoment(now, language))], [words.checked_by, filled(words.page, { version })],
  ]));
}
