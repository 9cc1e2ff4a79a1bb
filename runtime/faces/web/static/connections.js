// Keeps Connections true: what each witness has confirmed, what waits and why. Works on what the server drew (templates/connections.html).

import { effect } from "/static/vendor/preact.js";
import { mirrorNote, shown } from "/static/cards.js";
import { health, now } from "/static/live.js";
import { causeOf, count, localTimes, showAge, word } from "/static/words.js";

const drawn = [...document.querySelectorAll("[data-anchor]")], cards = new Map(drawn.map((card) => [card.dataset.anchor, card]));
const again = (anchor) => (anchor.cause && typeof anchor.retry_ms === "number" ? ` ${word("connections.again", { age: showAge(anchor.retry_ms) })}` : "");

function draw(card, anchor, size) {
  const put = (what, text) => shown(card.querySelector(`[data-now=${what}]`), text);
  const waiting = size - (anchor.cosigned_size ?? 0);
  card.querySelector(".verdict").hidden = !anchor.cause;
  put("state", word(`web.anchor.${anchor.state || "waiting"}`));
  put("cause", causeOf(anchor) + again(anchor));
  put("confirmed", `${count(anchor.cosigned_size)} / ${count(size)}`);
  put("waiting", waiting > 0 ? count(waiting) : word("connections.none"));
  if (anchor.mirror) put("mirror", mirrorNote(anchor.mirror));
}

// `told_ms` is null while nothing was heard of it since the page was made: what stands there grows old.
function drawAge(place, told_ms) {
  const ms = told_ms ?? Number(place.querySelector("time")?.dataset.ms);
  if (!ms || !now.value) return;
  if (!place.querySelector("[data-ago]")) {
    const ago = document.createElement("span");
    ago.dataset.ago = "";
    place.replaceChildren(document.createElement("time"), " · ", ago);
  }
  place.querySelector("time").dataset.ms = ms;
  localTimes(place);
  shown(place.querySelector("[data-ago]"), word("web.ago", { n: showAge(now.value - ms) }));
}

effect(() => {
  const { anchors, ledger, now_ms: told_ms } = health.value;
  if (!told_ms || !anchors) return;
  const isAnother = ({ name, mirror }) => Boolean(mirror) !== Boolean(cards.get(name)?.querySelector("[data-now=mirror]"));
  if (anchors.length !== drawn.length || anchors.some((anchor) => !cards.has(anchor.name) || isAnother(anchor))) return void location.reload(); // other witnesses, or a mirror more
  for (const anchor of anchors) draw(cards.get(anchor.name), anchor, ledger?.size ?? 0);
});
effect(() => { // by itself: it grows with every tick
  for (const [name, card] of cards) drawAge(card.querySelector("[data-last]"), health.value.anchors?.find((anchor) => anchor.name === name)?.cosigned_ms ?? null);
});
