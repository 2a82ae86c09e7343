import { KeyRing } from "@konferenco/fusion";

const rings = new Map<string, KeyRing>();

/** The keys of one installation, the same for whoever opens it again: they lie apart from its data. */
export function keysOf(installation: string): KeyRing {
  let ring = rings.get(installation);
  if (ring === undefined) rings.set(installation, (ring = KeyRing.inMemory()));
  return ring;
}
