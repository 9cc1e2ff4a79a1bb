// Raw deflate (RFC 1951) by the browser's own DecompressionStream, with a hard cap on what comes out.
// Where the browser has none it throws Unsupported.

import { FormatError, Unsupported, concat } from "./bytes.js";

/** What one whole stream holds. Throws FormatError: larger than the cap, damaged, cut off, or followed by other bytes. */
export async function inflate(data, sizeMax, what) {
  const stream = openStream();
  const writer = stream.writable.getWriter();
  // What goes wrong shows where it is read; a promise that nobody waits for must not become a fault of the page.
  writer.write(data).catch(() => {});
  writer.close().catch(() => {});
  const reader = stream.readable.getReader();
  const parts = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return concat(...parts);
      parts.push(value);
      size += value.length;
      if (size > sizeMax) break;
    }
  } catch {
    throw new FormatError("deflate_invalid", { what });
  }
  reader.cancel().catch(() => {});
  throw new FormatError("deflate_too_long", { what, size_max: sizeMax });
}

function openStream() {
  try {
    return new DecompressionStream("deflate-raw");
  } catch {
    throw new Unsupported("algorithm_not_here", { name: "deflate-raw" });
  }
}
