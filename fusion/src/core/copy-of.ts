/**
 * A deep copy of state that is nobody else's: plain objects, arrays, maps, typed arrays and class instances
 * whose fields are such. What a state gains is copied without anybody thinking of it. Objects that are held
 * from two places come out twice; functions and what they close over stay shared.
 */
export function copyOf<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  return copyOfObject(value) as T;
}

function copyOfObject(value: object): unknown {
  if (Array.isArray(value)) return typeof value[0] === "number" ? value.slice() : value.map(copyOf);
  if (ArrayBuffer.isView(value)) return (value as Float64Array).slice();
  if (value instanceof Map) return new Map(Array.from(value, ([key, held]) => [key, copyOf(held)] as const));
  const prototype = Object.getPrototypeOf(value) as object;
  const copy: Record<string, unknown> = prototype === Object.prototype ? { ...value } : (Object.assign(Object.create(prototype) as object, value) as Record<string, unknown>);
  for (const key in copy) {
    const held = copy[key];
    if (typeof held === "object" && held !== null) copy[key] = copyOfObject(held);
  }
  return copy;
}
