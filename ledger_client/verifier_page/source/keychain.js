// Which device key is in force at which entry: from the keys that the reader's policy names, over rotate entries.
// Source: docs/ledger-format.md sections 3.1 and 12.

import { FormatError, same, u64 } from "./bytes.js";
import { KIND, rotationMessage } from "./entry.js";
import { keyFromCose } from "./signatures.js";

export class KeyChain {
  constructor(first) {
    this.first = first;
    this.rotated = [];
    /** A rotation could not be followed here: keys that this page does not know may be in force after it. */
    this.lost = false;
  }

  /** Keys that may sign entry `seq`. */
  at(seq) {
    const rotation = this.rotated.findLast((each) => seq >= each.since);
    return rotation ? [rotation.key] : this.first;
  }

  /** The key in force that signed this entry, null when there is none. */
  async signerOf(entry) {
    for (const key of this.at(entry.seq)) if (same(key.kid, entry.kid) && (await entry.signedBy(key))) return key;
    return null;
  }

  /** Whether some key of the chain, in force there or not, has the key id that the entry names. */
  knows(entry) {
    return this.all().some((key) => same(key.kid, entry.kid));
  }

  all() {
    return [...this.first, ...this.rotated.map((each) => each.key)];
  }

  /** Follow a rotate entry whose own signature was checked. Throws FormatError when the new key cannot follow. */
  async rotate(entry) {
    const refuse = (reason) => {
      throw new FormatError("rotation_invalid", { reason });
    };
    if (entry.kind !== KIND.ROTATE) refuse("not a rotate entry");
    const [newCose, effective, , agreed] = entry.detail;
    const key = keyFromCose(newCose);
    const old = this.at(entry.seq).find((each) => same(each.kid, entry.kid));
    if (!old || !(await key.verify(agreed, rotationMessage(old, newCose, u64(effective))))) refuse("the new key did not agree");
    const last = this.rotated.at(-1);
    if (effective <= entry.seq || (last && effective <= last.since)) refuse("it takes force before it was said");
    this.rotated.push({ since: effective, key });
  }
}
