// Making elements: text is always set as text, so nothing in a file can become markup.

/** An element with attributes (on... are listeners) and children; texts and nulls among the children are fine. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null));
  return node;
}

/** Rows of a term and what is said of it; rows that are null or say nothing are left out. */
export function facts(rows) {
  const shown = rows.filter((row) => row && row[1] !== null && row[1] !== "");
  return el("dl", {}, shown.map(([term, ...said]) => el("div", {}, el("dt", {}, term), el("dd", {}, ...said))));
}

/** What stands small beside a value. */
export const small = (text) => (text ? el("small", {}, text) : null);
