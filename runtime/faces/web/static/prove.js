// The printable sheet: the browser's own printing. Without scripts the same is in its menu. A proof that is not there yet is asked for until it is;
// the page changes once, then, and not under whoever reads it; without scripts it is loaded again and again.

const ASK_MS = 5000;
const print = document.getElementById("print"), waits = document.getElementById("waits");

async function askAgain() {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(2 * ASK_MS) });
    if (answer.ok && !(await answer.text()).includes('id="waits"')) return location.reload();
  } catch { /* the gateway is away: it is asked again */ }
  setTimeout(askAgain, ASK_MS);
}

if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
if (waits) setTimeout(askAgain, ASK_MS);
