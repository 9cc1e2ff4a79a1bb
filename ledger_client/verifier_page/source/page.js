// The page itself: what is opened, whom the reader trusts, and one result. The only file that knows the document's state.
// Nothing here can reach a network: the page's own policy (CSP) forbids every connection.

import { FormatError, concat, hex, textOf, utf8 } from "./bytes.js";
import { el, facts } from "./elements.js";
import { subjectOf } from "./files.js";
import { filled } from "./format.js";
import { sha256 } from "./hash.js";
import { isLink, parseLink } from "./link.js";
import { fingerprint, parsePolicy } from "./policy.js";
import { algorithmsHere } from "./signatures.js";
import { verifyBundle, verifyFile } from "./verify.js";
import { reasonOf, resultOf, verdictOf } from "./view.js";
import { WORDS } from "./words.js";

const POLICY_KEPT = "witnessmark.policy";
const LANGUAGE_KEPT = "witnessmark.language";
/** Asks for nobody, names nobody: under it everything is "cannot check here". */
const NOBODY = "quorum none\n";

const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);
const REASONS = dataOf("reasons");
const { version, policy: PAGE_POLICY } = dataOf("site");
const byId = (id) => document.getElementById(id);

const state = { language: firstLanguage(), policy: null, trust: "none", offered: null, evidence: null, report: null, fault: null, missing: [], placed: null, turn: 0 };

/** localStorage may be forbidden, as on some pages opened from a file. */
function kept(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    return null;
  }
  return null;
}

function firstLanguage() {
  const wanted = kept(LANGUAGE_KEPT) ?? navigator.languages.find((each) => /^(?:en|zh)\b/i.test(each)) ?? "en";
  return wanted.toLowerCase().startsWith("zh") ? "zh" : "en";
}

const words = () => WORDS[state.language];
const reasons = () => REASONS[state.language];
const worded = (error) => reasonOf({ words: words(), reasons: reasons() }, error);

// ------------------------------------------------------------------------------------------------------------ trust
/** Take a policy's text; throws FormatError where it cannot be read. */
function trust(text, how) {
  state.policy = parsePolicy(text);
  state.trust = how;
  byId("policy").value = text;
}

function trustAtStart() {
  for (const [text, how] of [[kept(POLICY_KEPT), "kept"], [PAGE_POLICY, "page"]]) {
    if (!text) continue;
    try {
      trust(text, how);
      return;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
}

/** Whether somebody opened a policy where evidence belongs. */
function isPolicy(data) {
  try {
    return Boolean(parsePolicy(textOf(data) ?? "\0"));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return false;
  }
}

async function usePolicy(text) {
  byId("policy-fault").textContent = "";
  try {
    trust(text, "given");
    kept(POLICY_KEPT, byId("policy-keep").checked ? text : null);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    byId("policy-fault").textContent = `${words().policy_bad}: ${worded(error)}`;
    return;
  }
  await judge();
}

// ------------------------------------------------------------------------------------------------------------ evidence
async function openFile(file) {
  forgetVerdict();
  state.evidence = { name: file.name, data: new Uint8Array(await file.arrayBuffer()) };
  await judge();
}

async function openLink(fragment) {
  try {
    const { bundle, policy } = await parseLink(fragment);
    state.evidence = { name: words().link, data: utf8(fragment), bundle };
    // Keys that come with the evidence never take the place of those that the reader or the page brings.
    if (state.trust === "itself") Object.assign(state, { policy: null, trust: "none" });
    if (policy !== null && state.trust === "none") trust(policy, "itself");
    state.offered = state.trust === "itself" ? policy : null;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    Object.assign(state, { evidence: null, report: null, fault: error });
    draw();
    return;
  }
  await judge();
}

/** An old verdict must not stand beside new evidence, not even while that is read. */
function forgetVerdict() {
  state.report = null;
  state.fault = null;
  draw();
}

async function judge() {
  const { evidence } = state;
  state.turn += 1;
  const { turn } = state;
  if (evidence) {
    forgetVerdict();
    busy(true);
    const found = { report: null, fault: null };
    try {
      const policy = state.policy ?? parsePolicy(NOBODY);
      found.report = await (evidence.bundle ? verifyBundle(evidence.bundle, policy) : verifyFile(evidence.data, policy, progress));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      found.fault = error;
    }
    if (turn !== state.turn) return; // something else was opened meanwhile
    Object.assign(state, found);
    busy(false);
  }
  draw();
  byId("verdict")?.focus({ preventScroll: false });
}

function busy(is) {
  byId("progress").hidden = !is;
  byId("progress").textContent = is ? words().checking : "";
}

function progress(done, total) {
  byId("progress").textContent = `${words().checking} ${filled(words().of, { done, total })}`;
}

// ------------------------------------------------------------------------------------------------------------ drawing
function draw() {
  const w = words();
  document.documentElement.lang = state.language === "zh" ? "zh-Hans" : "en";
  document.title = `Witnessmark · ${w.title}`;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = w[node.dataset.word];
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === state.language));
  }
  byId("open-word").textContent = state.evidence ? w.open_more : w.open;
  byId("fault").textContent = state.fault ? (state.fault.code === "file_not_ours" ? (state.evidence && isPolicy(state.evidence.data) ? w.is_policy : w.not_ours) : worded(state.fault)) : "";
  byId("missing").textContent = state.missing.length ? filled(w.here_missing, { names: state.missing.join(", ") }) : "";
  byId("trust-state").replaceChildren(...trustState());
  placeTrust();
  byId("policy-forget").hidden = !kept(POLICY_KEPT);
  byId("print").hidden = !state.report;
  byId("headline").replaceChildren(...(state.report ? verdictOf(shown()) : []));
  byId("result").replaceChildren(...(state.report ? resultOf(shown()) : []));
}

/** Where nobody is trusted yet the question stands first; once it is answered it steps back behind the result. */
function placeTrust() {
  const first = state.trust === "none" || state.trust === "itself";
  if (state.trust !== state.placed) byId("policy-own").open = state.trust === "none";
  state.placed = state.trust;
  const [trusted, result] = [byId("trust"), byId("result")];
  const isFirst = Boolean(trusted.compareDocumentPosition(result) & Node.DOCUMENT_POSITION_FOLLOWING);
  if (first === isFirst) return;
  if (first) result.before(trusted);
  else byId("print").parentElement.after(trusted);
}

function shown() {
  const { report, language, evidence, policy } = state;
  const file = {
    name: evidence.name, size: evidence.data.length, digest: hex(sha256(evidence.data)), trust: words()[`trust_${state.trust}`],
    fingerprint: policy && fingerprint(policy),
  };
  return { report, words: words(), reasons: reasons(), language, trust: state.trust, file, version };
}

function trustState() {
  const w = words();
  const rows = [el("p", { class: `trusted ${state.trust}` }, w[`trust_${state.trust}`])];
  if (state.policy) rows.push(facts([[w.fingerprint, el("code", {}, fingerprint(state.policy))], ...named(w)]));
  if (state.trust === "page" && location.host) rows.push(el("p", {}, filled(w.trust_page_at, { host: location.host })));
  if (state.trust !== "itself") return rows;
  const accept = el("button", { type: "button", id: "accept", onclick: () => usePolicy(state.offered) }, w.trust_accept);
  return [...rows, el("p", {}, w.trust_itself_lead), accept];
}

/** Who stands in the policy. */
function named(w) {
  const { logs, witnesses } = state.policy;
  return [...logs.map((key) => [w.device, key.name]), [w.witness, [...witnesses.keys()].join(", ")]];
}

// ------------------------------------------------------------------------------------------------------------ what the reader does
function listen() {
  byId("file").addEventListener("change", (event) => event.target.files[0] && openFile(event.target.files[0]));
  byId("policy-file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    const data = new Uint8Array(await file.arrayBuffer());
    if (subjectOf(data)) byId("policy-fault").textContent = words().is_evidence;
    else await usePolicy(textOf(data) ?? "\0");
  });
  byId("policy-use").addEventListener("click", () => usePolicy(byId("policy").value));
  byId("policy-forget").addEventListener("click", () => {
    kept(POLICY_KEPT, null);
    draw();
  });
  byId("print").addEventListener("click", () => window.print());
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      state.language = button.dataset.language;
      kept(LANGUAGE_KEPT, state.language);
      draw();
    });
  }
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) openFile(event.dataTransfer.files[0]);
  });
  window.addEventListener("hashchange", () => isLink(location.hash.slice(1)) && openLink(location.hash.slice(1)));
}

async function start() {
  listen();
  trustAtStart();
  draw();
  const able = await algorithmsHere();
  state.missing = ["Ed25519", "ECDSA P-256", ...(globalThis.DecompressionStream ? [] : ["deflate"])].filter((name) => !able.includes(name));
  const fragment = location.hash.slice(1);
  if (isLink(fragment)) await openLink(fragment);
  else draw();
}

/** For tests and for the curious: the verifier without the page. Bytes in, the report out, as in `verify.js`. */
globalThis.witnessmark = { verifyFile, verifyBundle, parsePolicy, parseLink, sha256, concat };

start();
