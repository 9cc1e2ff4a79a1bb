// Forms that change something over the API: `data-post` is the address; a button's `data-to` is another one, with the fields `data-only`.
// What is shown once (a password, a token) stays on the page until one leaves it; otherwise the page is fetched anew. What was typed is kept.

import { ask } from "/static/ask.js";
import { word } from "/static/words.js";

function bodyOf(form, only) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || (only && !only.includes(field.name))) continue;
    if ("list" in field.dataset) (body[field.name] ??= []).push(...(field.checked ? [field.value] : []));
    else if ("bool" in field.dataset) body[field.name] = field.checked;
    else body[field.name] = "number" in field.dataset ? Number(field.value) : field.value;
  }
  return body;
}

function say(form, level, text, code) {
  const place = form.querySelector("[data-said]");
  place.className = `verdict ${level}`;
  place.replaceChildren(Object.assign(document.createElement("span"), { className: "mark", ariaHidden: "true" }), Object.assign(document.createElement("span"), { textContent: text }));
  if (code) place.append(" ", Object.assign(document.createElement(code.includes("\n") ? "pre" : "code"), { textContent: code }));
  place.querySelector("pre")?.setAttribute("tabindex", "0"); // it scrolls where the screen is narrow, by the keyboard as well
  place.hidden = false;
}

for (const form of document.querySelectorAll("form[data-post]")) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    const button = event.submitter;
    const path = button?.dataset.to ?? form.dataset.post;
    const buttons = [...form.querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    try {
      const { told = {} } = await ask("POST", path, bodyOf(form, button?.dataset.only?.split(" ")));
      const [name, ...more] = Object.keys(told);
      if (name === undefined) location.reload();
      else say(form, "ok", [...more, name].map((each) => word(`web.told.${each}`)).join(" "), told[name]);
    } catch (problem) {
      say(form, "warn", problem.message);
    } finally {
      for (const each of buttons) each.disabled = false;
    }
  };
}
