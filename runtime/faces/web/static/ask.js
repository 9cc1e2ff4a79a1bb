// Asks the API: the session's own token with every change, refusals as words, and the password again where an act wants it.
//   import { ask } from "/static/ask.js";
//   const outcome = await ask("POST", "/api/v1/…", { … });     throws Problem {code, params, status, message}

import { effect } from "/static/vendor/preact.js";
import { link, loginAt } from "/static/live.js";
import { word } from "/static/words.js";

const TIMEOUT_MS = 70000, PAUSE_MS = 2000;
const AGAIN = new Set(["fresh_needed"]);

export class Problem extends Error {
  constructor({ code, params = {}, status = 0, detail }) {
    super(detail ?? word(code, params));
    Object.assign(this, { code, params, status });
  }
}

export async function ask(method, path, body, { retry = true } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { "accept": "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }), "x-witnessmark-token": document.body.dataset.csrf },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem({ code: "web_unreachable" });
  }
  const media = answer.headers.get("content-type") ?? "";
  if (answer.ok) return media.includes("json") ? answer.json() : answer;
  const told = media.includes("json") ? await answer.json() : { code: "internal_fault", status: answer.status };
  if (answer.status === 401) location.assign(loginAt());
  if (AGAIN.has(told.code) && retry && (await again())) return ask(method, path, body, { retry: false });
  throw new Problem(told);
}

// Whether a question failed because the core, or its history, was not heard: it may be put again once it is.
export const isUnheard = ({ code }) => code === "core_away" || code === "web_unreachable" || code === "history_away" || (code === "request_timeout" && link.peek() !== "ok");

// Until the core is heard; a moment at least, as its silence is noticed after some seconds only.
export async function untilHeard() {
  await new Promise((done) => setTimeout(done, PAUSE_MS));
  let stop = null;
  await new Promise((done) => { stop = effect(() => { if (link.value === "ok") done(); }); });
  stop();
}

// Looks for what a page shows by itself, and again once the core is heard where it was not. `say` gets each fault, then null; null is the answer
// of another fault, and where `isOver` says that nobody waits for it any more.
export async function lookUntilHeard(look, say, isOver = () => false) {
  while (!isOver()) {
    try {
      const found = await look();
      if (!isOver()) say(null);
      return found;
    } catch (problem) {
      if (isOver()) break;
      say(problem);
      if (!isUnheard(problem) || isOver()) break;
    }
    await untilHeard();
  }
  return null;
}

// Asks whoever is signed in to prove once more who they are: by the password, or at the site's own provider; true when they have.
export function again() {
  const label = document.body.dataset.sso;
  return label ? againElsewhere(label) : againHere();
}

const made = (name, more, ...inside) => { const each = Object.assign(document.createElement(name), more); each.append(...inside); return each; };

function againHere() {
  const dialog = document.createElement("dialog");
  dialog.className = "again";
  const field = made("input", { type: "password", required: true, autocomplete: "current-password", name: "password" });
  const fault = made("p", { className: "verdict warn", hidden: true });
  fault.setAttribute("role", "alert");
  const title = made("h2", { id: "again-title" }, word("web.again.title"));
  const form = made("form", { className: "stack" }, title, made("p", {}, word("web.again.why")), fault, made("label", {}, word("web.login.password"), field),
    made("p", { className: "buttons" }, made("button", { className: "primary" }, word("web.again.go")), made("button", { type: "button", onclick: () => dialog.close() }, word("web.cancel"))));
  dialog.setAttribute("aria-labelledby", "again-title");
  dialog.append(form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let done = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        const { who } = await ask("POST", "/api/v1/account/again", { password: field.value }, { retry: false });
        document.body.dataset.csrf = who.csrf;
        done = true;
        dialog.close();
      } catch (problem) {
        fault.hidden = false;
        fault.textContent = problem.message;
        field.select();
      }
    };
    dialog.onclose = () => { dialog.remove(); resolve(done); };
    dialog.showModal();
  });
}

// The provider asks in a tab of its own, so that nothing that was typed here is lost; then the core is asked whether it has heard.
function againElsewhere(label) {
  const dialog = made("dialog", { className: "again" });
  const fault = made("p", { className: "verdict warn", hidden: true });
  fault.setAttribute("role", "alert");
  const away = made("a", { className: "button primary", href: "/again/sso", target: "_blank", rel: "noopener" }, word("web.again.sso", { label }));
  let done = false;
  const look = async () => {
    try {
      const { who } = await ask("GET", "/api/v1/account/who", undefined, { retry: false });
      done = who.fresh_until_ms !== null;
      if (done) return dialog.close();
      fault.textContent = word("web.again.sso.not");
    } catch (problem) {
      fault.textContent = problem.message;
    }
    fault.hidden = false;
  };
  dialog.setAttribute("aria-labelledby", "again-title");
  dialog.append(made("div", { className: "stack" }, made("h2", { id: "again-title" }, word("web.again.sso.title")), made("p", {}, word("web.again.sso.why", { label })), fault,
    made("p", { className: "buttons" }, away, made("button", { type: "button", onclick: look }, word("web.again.sso.go")), made("button", { type: "button", onclick: () => dialog.close() }, word("web.cancel")))));
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.onclose = () => { dialog.remove(); resolve(done); };
    dialog.showModal();
  });
}
