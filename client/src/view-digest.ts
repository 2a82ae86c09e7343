// Repeated from the protocol, for importing a value would bring its schema library along; test/client/constants.test.ts holds the two together.
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

/** The digest of two parts together. */
export function addDigests(one: string, other: string): string {
  const half = (from: number): string => ((Number.parseInt(one.slice(from, from + 8), 16) + Number.parseInt(other.slice(from, from + 8), 16)) >>> 0).toString(16).padStart(8, "0");
  return half(0) + half(8);
}
