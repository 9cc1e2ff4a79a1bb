// What the tags of a ledger are at some entry: groups and descriptors, and the deltas between states. Pure but for the inflating.
// Source: docs/ledger-format.md section 5.

import { FormatError, Unsupported } from "./bytes.js";
import { decode, encode, isRow, isText, isUint } from "./cbor.js";
import { parseDescriptor } from "./disclosure.js";
import { sha256 } from "./hash.js";
import { inflate } from "./inflate.js";

const COLUMNS_MAX = 1_024;
const INFLATED_MAX = 16 << 20;

function refuse(reason) {
  throw new FormatError("schema_shape", { reason });
}

export class Schema {
  constructor(groups = new Map(), descriptors = new Map()) {
    this.groups = groups;
    this.descriptors = descriptors;
  }

  stateHash() {
    return sha256(encode([rowsOf(this.groups), rowsOf(this.descriptors)]));
  }

  /** The state after a schema body. Throws FormatError: not the format, unknown uids, a state that does not hang together. */
  async apply(body, full) {
    const value = decode(await inflate(body, INFLATED_MAX, "schema body"), { sizeMax: INFLATED_MAX, what: "schema body" });
    if (!isRow(value, 5) || !isUint(value[0]) || !value.slice(1).every((part) => isRow(part))) refuse("body");
    const [version, groups, descriptors, gone, goneGroups] = value;
    if (version !== 1n) throw new Unsupported("schema_version", { version });
    if (full && (gone.length || goneGroups.length)) refuse("full with removals");
    const next = full ? new Schema() : new Schema(new Map(this.groups), new Map(this.descriptors));
    for (const uid of ascending(gone)) if (!next.descriptors.delete(uid)) refuse("removed tag unknown");
    for (const uid of ascending(goneGroups)) if (!next.groups.delete(uid)) refuse("removed group unknown");
    const parsedGroups = groups.map(parseGroup);
    const parsed = descriptors.map(parseDescriptor);
    ascending(parsedGroups.map((each) => each.uid));
    ascending(parsed.map((each) => each.uid));
    for (const group of parsedGroups) next.groups.set(group.uid, group);
    for (const descriptor of parsed) next.descriptors.set(descriptor.uid, descriptor);
    next.checkWhole();
    return next;
  }

  /** Every tag of a group is described, and no tag stands in two places. */
  checkWhole() {
    const seen = new Set();
    for (const { tagUids } of this.groups.values()) {
      for (const uid of tagUids) {
        if (seen.has(uid) || !this.descriptors.has(uid)) refuse("tag of a group");
        seen.add(uid);
      }
    }
  }
}

function parseGroup(row) {
  const [uid, device, name, periodMs, mode, tagUids] = isRow(row, 6) ? row : [];
  const shape = isUint(uid) && isText(device) && isText(name) && isUint(periodMs) && isText(mode);
  if (!shape || !isRow(tagUids) || tagUids.length > COLUMNS_MAX || !tagUids.every(isUint)) refuse("group");
  return { uid, device, name, periodMs, tagUids, row };
}

function ascending(uids) {
  uids.forEach((uid, place) => {
    if (!isUint(uid) || (place && uid <= uids[place - 1])) refuse("uids not ascending");
  });
  return uids;
}

function rowsOf(table) {
  return [...table].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each.row);
}
