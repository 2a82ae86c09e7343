/**
 * Levels between survey points: Gaussian process regression (kriging) with a Matérn 3/2 kernel. The
 * weights depend on where the points are and not on what was heard there, so that all access
 * points of a floor share one inverse.
 */
export interface Interpolation {
  /** How strongly neighbours agree, and over which distance; chosen by leaving one point out. */
  lengthM: number;
  nuggetShare: number;
  /** Spread of the field, dB²: what is unknown far from all points. */
  fieldDb2: number;
  /** n × n, symmetric: inverse of kernel plus nugget, for a field of variance 1. */
  inverse: Float64Array;
}

export interface PlanePoint {
  xM: number;
  yM: number;
}

const LENGTHS_M = [3, 5, 8, 12, 18, 27];
const NUGGET_SHARES = [0.03, 0.1, 0.3];
/** The constants are chosen on so many points, the cube of which it costs: 27 million multiplications each time. */
const MAX_CHOOSING_POINTS = 300;
/** And on so many access points; they agree. */
const MAX_CHOOSING_FIELDS = 60;

export function kernel(a: PlanePoint, b: PlanePoint, lengthM: number): number {
  const scaled = (Math.sqrt(3) * Math.hypot(a.xM - b.xM, a.yM - b.yM)) / lengthM;
  return (1 + scaled) * Math.exp(-scaled);
}

/** What is chosen: how levels of a floor spread. */
export type Spread = Pick<Interpolation, "lengthM" | "nuggetShare" | "fieldDb2">;

/** Length and nugget by the error at points that are left out, over the fields (one array of residuals each). */
export function chooseSpread(points: readonly PlanePoint[], fields: readonly Float64Array[]): Spread {
  const stride = Math.ceil(points.length / MAX_CHOOSING_POINTS);
  const chosen = points.map((_, i) => i).filter((i) => i % stride === 0);
  const few = chosen.map((i) => points[i] as PlanePoint);
  const fewFields = fields.slice(0, MAX_CHOOSING_FIELDS).map((field) => Float64Array.from(chosen, (i) => field[i] as number));
  let best = { lengthM: 8, nuggetShare: 0.1, score: Infinity, fieldDb2: 100 };
  for (const lengthM of LENGTHS_M) {
    for (const nuggetShare of NUGGET_SHARES) {
      const { score, fieldDb2 } = leaveOneOut(fewFields, inverseOf(few, lengthM, nuggetShare), few.length);
      if (score < best.score) best = { lengthM, nuggetShare, score, fieldDb2 };
    }
  }
  const { lengthM, nuggetShare, fieldDb2 } = best;
  return { lengthM, nuggetShare, fieldDb2 };
}

/** Prepares the weights. */
export function interpolate(points: readonly PlanePoint[], spread: Spread): Interpolation {
  return { ...spread, inverse: inverseOf(points, spread.lengthM, spread.nuggetShare) };
}

/** Mean log likelihood of each point given all others (Rasmussen & Williams 2006, 5.4.2), in closed form, with the variance that fits best. */
function leaveOneOut(fields: readonly Float64Array[], inverse: Float64Array, n: number): { score: number; fieldDb2: number } {
  let squares = 0;
  let logs = 0;
  for (const field of fields) {
    for (let i = 0; i < n; i++) {
      const weighed = dot(inverse, i * n, field);
      squares += weighed ** 2 / (inverse[i * n + i] as number);
    }
  }
  for (let i = 0; i < n; i++) logs -= Math.log(inverse[i * n + i] as number);
  const fieldDb2 = Math.max(1, squares / Math.max(1, fields.length * n));
  return { score: Math.log(fieldDb2) + logs / Math.max(1, n), fieldDb2 };
}

function inverseOf(points: readonly PlanePoint[], lengthM: number, nuggetShare: number): Float64Array {
  const n = points.length;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const value = kernel(points[i] as PlanePoint, points[j] as PlanePoint, lengthM) + (i === j ? nuggetShare : 0);
      matrix[i * n + j] = value;
      matrix[j * n + i] = value;
    }
  }
  return invert(matrix, n);
}

/** Inverse of a symmetric positive definite matrix: Cholesky, then its triangle inverted and multiplied with itself. */
export function invert(matrix: Float64Array, n: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (lower[i * n + k] as number) * (lower[j * n + k] as number);
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / (lower[j * n + j] as number);
    }
  }
  // Rows of the inverse triangle, stored transposed so that both loops run along memory.
  const turned = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    turned[j * n + j] = 1 / (lower[j * n + j] as number);
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum += (lower[i * n + k] as number) * (turned[j * n + k] as number);
      turned[j * n + i] = -sum / (lower[i * n + i] as number);
    }
  }
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = i; k < n; k++) sum += (turned[i * n + k] as number) * (turned[j * n + k] as number);
      inverse[i * n + j] = sum;
      inverse[j * n + i] = sum;
    }
  }
  return inverse;
}

/** inverse × field: multiplied with the kernels of any place it is the field there. */
export function weigh({ inverse }: Interpolation, field: Float64Array): Float64Array {
  const n = field.length;
  const weights = new Float64Array(n);
  for (let i = 0; i < n; i++) weights[i] = dot(inverse, i * n, field);
  return weights;
}

/** A row of a matrix times a vector: most of what building a map costs. Four sums, because one waits for itself: 3 times as fast. */
export function dot(matrix: Float64Array, from: number, vector: Float64Array): number {
  const n = vector.length;
  let [a, b, c, d] = [0, 0, 0, 0];
  let j = 0;
  for (; j + 3 < n; j += 4) {
    a += (matrix[from + j] as number) * (vector[j] as number);
    b += (matrix[from + j + 1] as number) * (vector[j + 1] as number);
    c += (matrix[from + j + 2] as number) * (vector[j + 2] as number);
    d += (matrix[from + j + 3] as number) * (vector[j + 3] as number);
  }
  for (; j < n; j++) a += (matrix[from + j] as number) * (vector[j] as number);
  return a + b + (c + d);
}
