// An act's number, and what this person's own key signs about the act, where it is on this tablet: goes into the body of what is asked of the API.
//   const body = { …, ...(await signedAct(place.dataset, { action, target, params, reason }, "approved")) };
// `dataset` has the log's `origin` and the `key` that is enrolled for whoever is signed in, as the core tells them to the page.

import { approvalOf, coseOf, hex, isPossible, keyOf } from "/static/person_key.js";

export async function signedAct({ origin, key }, act, meaning) {
  const id = crypto.getRandomValues(new Uint8Array(16)), name = document.body.dataset.who;
  const own = key && isPossible() ? await keyOf(name) : null;
  if (!own || hex(coseOf(own.raw)) !== key) return { act: hex(id) };
  return { act: hex(id), approval: await approvalOf({ origin, name, meaning, act: { id, ...act } }) };
}
