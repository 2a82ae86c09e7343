/**
 * Dice that fall the same way for the same seed, on every machine. `fork` gives a person, a gateway
 * or a radio link dice of its own, so that adding one more walker does not change what the others do.
 */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Normal with mean 0 and variance 1. */
  gaussian(): number;
  between(min: number, max: number): number;
  /** Uniform integer in [0, below). */
  integer(below: number): number;
  pick<T>(choices: readonly T[]): T;
  /** Independent dice, named by what they are for. */
  fork(purpose: string | number): Random;
}

export function newRandom(seed: string | number): Random {
  let [a, b, c, counter] = hash128(String(seed));
  // sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes PractRand and BigCrush, 3 ns a draw.
  const bits = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  // Twelve rounds mix the seed through the state, as sfc32's author advises.
  for (let round = 0; round < 12; round++) bits();
  const next = (): number => bits() / 4_294_967_296;
  let spare: number | null = null;
  return {
    next,
    gaussian() {
      if (spare !== null) {
        const value = spare;
        spare = null;
        return value;
      }
      // Box-Muller; 1 - next() is never 0, so the logarithm is finite.
      const radius = Math.sqrt(-2 * Math.log(1 - next()));
      const angleRad = 2 * Math.PI * next();
      spare = radius * Math.sin(angleRad);
      return radius * Math.cos(angleRad);
    },
    between: (min, max) => min + (max - min) * next(),
    integer: (below) => Math.floor(next() * below),
    pick<T>(choices: readonly T[]): T {
      if (choices.length === 0) throw new RangeError("nothing to pick from");
      return choices[Math.floor(next() * choices.length)] as T;
    },
    fork: (purpose) => newRandom(`${seed}/${purpose}`),
  };
}

/** Text to 128 bits (cyrb128, public domain, by bryc): neighbouring seeds give unrelated dice. */
function hash128(text: string): [number, number, number, number] {
  let [h1, h2, h3, h4] = [1_779_033_703, 3_144_134_277, 1_013_904_242, 2_773_480_762];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    h1 = h2 ^ Math.imul(h1 ^ code, 597_399_067);
    h2 = h3 ^ Math.imul(h2 ^ code, 2_869_860_233);
    h3 = h4 ^ Math.imul(h3 ^ code, 951_274_213);
    h4 = h1 ^ Math.imul(h4 ^ code, 2_716_044_179);
  }
  h1 = Math.imul(h3 ^ (h1 >>> 18), 597_399_067);
  h2 = Math.imul(h4 ^ (h2 >>> 22), 2_869_860_233);
  h3 = Math.imul(h1 ^ (h3 >>> 17), 951_274_213);
  h4 = Math.imul(h2 ^ (h4 >>> 19), 2_716_044_179);
  h1 ^= h2 ^ h3 ^ h4;
  return [h1 | 0, (h2 ^ h1) | 0, (h3 ^ h1) | 0, (h4 ^ h1) | 0];
}
