// This tablet's key: whether the signed-in person's key is here, and the buttons that enrol and forget it.

import { ask } from "/static/ask.js";
import { coseOf, enrolment, forgetKey, hex, isPossible, keyOf, makeKey } from "/static/person_key.js";
import { word } from "/static/words.js";

const place = document.getElementById("tablet");
const state = document.getElementById("tablet-state");
const enrol = document.getElementById("tablet-enrol");
const forget = document.getElementById("tablet-forget");
const { origin, name } = place.dataset;

function say(code, level = "", params = {}) {
  state.className = `verdict ${level}`;
  state.lastElementChild.textContent = word(code, params);
}

async function show() {
  if (!isPossible()) return say("web.tablet.insecure", "warn");
  const key = await keyOf(name);
  const here = key !== null && hex(coseOf(key.raw)) === place.dataset.key;
  if (here) say("web.tablet.here", "ok");
  else say(place.dataset.key ? "web.tablet.elsewhere" : "web.tablet.none");
  enrol.hidden = here;
  forget.hidden = !place.dataset.key;
}

async function change(button, act) {
  button.disabled = true;
  try {
    await act();
    await show();
  } catch (problem) {
    say("web.tablet.fault", "warn", { reason: problem.message });
  } finally {
    button.disabled = false;
  }
}

enrol.onclick = () => change(enrol, async () => {
  const key = await makeKey(name);
  await ask("POST", "/api/v1/account/key", await enrolment(origin, name, key));
  place.dataset.key = hex(coseOf(key.raw));
});
forget.onclick = () => change(forget, async () => {
  await ask("POST", "/api/v1/account/key", { key: "" });
  await forgetKey(name);
  place.dataset.key = "";
});
await show();
