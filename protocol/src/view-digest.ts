/**
 * A digest of a set of ids, whatever their order: count, and two sums of hashes (FNV-1a from two beginnings, modulo
 * 2^32) as 16 hexadecimal digits. Digests of parts add up to that of the whole. It finds mistakes, not enemies.
 * The client has the same lines; test/client/constants.test.ts holds the two together.
 */
export function digestOfIds(ids: Iterable<string>): string {
  let [a, b] = [0, 0];
  for (const id of ids) {
    a = (a + fnv1a(id, 0x811c9dc5)) >>> 0;
    b = (b + fnv1a(id, 0x9747b28c)) >>> 0;
  }
  return a.toString(16).padStart(8, "0") + b.toString(16).padStart(8, "0");
}

function fnv1a(text: string, basis: number): number {
  let hash = basis;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
