// The Merkle tree of RFC 6962 section 2.1: roots and inclusion. Pure.
// No evidence file carries a consistency proof: those go between a gateway and its witnesses.

import { FormatError } from "./bytes.js";
import { EMPTY_HASH, sha256 } from "./hash.js";

export const PATH_MAX = 63;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (data) => sha256(LEAF, data);
export const nodeHash = (left, right) => sha256(NODE, left, right);

/** The root over leaf hashes; of none, the hash of nothing. */
export function rootOf(hashes) {
  if (!hashes.length) return EMPTY_HASH;
  let level = hashes;
  while (level.length > 1) {
    const above = [];
    for (let i = 0; i + 1 < level.length; i += 2) above.push(nodeHash(level[i], level[i + 1]));
    if (level.length % 2) above.push(level[level.length - 1]);
    level = above;
  }
  return level[0];
}

/** The root that a path gives for a leaf (RFC 9162 section 2.1.3.2); index and size are BigInts. Throws FormatError when it cannot. */
export function rootFromInclusion(index, size, leaf, path) {
  const refuse = () => {
    throw new FormatError("inclusion_invalid", { index, size });
  };
  if (index < 0n || index >= size || path.length > PATH_MAX) refuse();
  let node = index;
  let last = size - 1n;
  let root = leaf;
  for (const step of path) {
    if (last === 0n) refuse();
    if (node & 1n || node === last) {
      root = nodeHash(step, root);
      while (!(node & 1n) && node) {
        node >>= 1n;
        last >>= 1n;
      }
    } else root = nodeHash(root, step);
    node >>= 1n;
    last >>= 1n;
  }
  if (last) refuse();
  return root;
}
