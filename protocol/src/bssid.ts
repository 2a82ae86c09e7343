const PLAIN = /^[0-9a-f]{12}$/;

/**
 * An access point's name as a BSSID: six bytes in lower case with colons, from any of the usual
 * spellings. Data sets hide the addresses behind names of their own ("WAP042"); such a name becomes a
 * locally administered address that depends on the name alone, so that survey and scans still meet.
 */
export function bssidOf(name: string): string {
  const plain = name.trim().toLowerCase().replace(/[:._-]/g, "");
  if (PLAIN.test(plain)) return withColons(plain);
  // FNV-1a over the name, twice with different beginnings: 40 bits, so 200 names share one with a chance of 2e-8.
  const text = name.trim();
  const hex = hash(text, 0x811c9dc5).toString(16).padStart(8, "0") + (hash(text, 0x2f0b4c47) & 0xff).toString(16).padStart(2, "0");
  return withColons(`02${hex}`);
}

function withColons(plain: string): string {
  return (plain.match(/../g) as string[]).join(":");
}

function hash(text: string, basis: number): number {
  let value = basis;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  // FNV leaves the last character in the low bits: mixed once more (murmur3's finaliser).
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
