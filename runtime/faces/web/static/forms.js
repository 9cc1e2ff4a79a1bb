// Forms that change something over the API: `data-post` is the address; a button's `data-to` is another one, with the fields `data-only`.
// What is shown once (a password, a token) stays on the page until one leaves it, and only the parts of the page marked `data-fresh` are fetched
// anew; otherwise the whole page is. What was typed is kept. The buttons of such a form come disabled, so that a press before this script runs does
// not send what was typed into the address.

import { ask } from "/static/ask.js";
import { localTimes, word } from "/static/words.js";

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

// A document of the page as it is now, without its scripts; null where it cannot be had.
const pageNow = () => new Promise((done) => {
  const asked = new XMLHttpRequest();
  asked.open("GET", location.href);
  asked.responseType = "document";
  asked.onloadend = () => done(asked.status === 200 ? asked.response : null);
  asked.send();
});

// A part in which somebody has opened a form stays: what was typed or shown there is not to be lost.
async function fetchParts() {
  const page = await pageNow();
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const fresh = page?.getElementById(part.id);
    if (!fresh || part.querySelector("details[open]")) continue;
    part.replaceWith(document.adoptNode(fresh));
    localTimes(fresh);
    listen(fresh);
  }
}

function listen(root) {
  for (const form of root.querySelectorAll("form[data-post]")) {
    form.onsubmit = sender(form);
    for (const each of form.querySelectorAll("button")) each.disabled = false;
  }
}

function sender(form) {
  return async (event) => {
    event.preventDefault();
    const button = event.submitter;
    const path = button?.dataset.to ?? form.dataset.post;
    const buttons = [...form.querySelectorAll("button")];
    for (const each of buttons) each.disabled = true;
    try {
      const { told = {} } = await ask("POST", path, bodyOf(form, button?.dataset.only?.split(" ")));
      const [name, ...more] = Object.keys(told);
      if (name === undefined) location.reload();
      else {
        say(form, "ok", [...more, name].map((each) => word(`web.told.${each}`)).join(" "), told[name]);
        fetchParts(); // by itself: whatever becomes of it, what is shown once stays
      }
    } catch (problem) {
      say(form, "warn", problem.message);
    } finally {
      for (const each of buttons) each.disabled = false;
    }
  };
}

listen(document);
