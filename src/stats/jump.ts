/** The four words of xoshiro128**. */
export type State = readonly [number, number, number, number];

const bits = 128;
/** The matrices of 2^0, 2^1, 2^2 … steps, as far as they were asked for. */
const powers: Uint32Array[] = [];

/**
 * The matrix of so many steps of xoshiro128**, 0 to 2^53: a step is linear over GF(2), so that its powers are had by
 * squaring. Four words for each bit of the state: the state that this bit alone comes to.
 */
export function jumpMatrix(steps: number): Uint32Array {
  if (!Number.isInteger(steps) || steps < 0 || steps > 2 ** 53)
    throw new RangeError(`${steps} is no number of steps from 0 to 2^53`);
  let matrix = matrixOf((state) => state);
  for (let power = 0, left = steps; left > 0; power++, left = Math.floor(left / 2)) {
    if (left % 2 === 0) continue;
    const [before, after] = [matrix, powerOf(power)];
    matrix = matrixOf((state) => advance(after, advance(before, state)));
  }
  return matrix;
}

/** The state that a matrix takes a state to. */
export function advance(matrix: Uint32Array, state: State): [number, number, number, number] {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let at = 0; at < 4 * bits; at += 4) {
    // All ones where the bit is set; a branch on random bits costs more than the four words.
    const mask = -((state[at >> 7]! >>> ((at >> 2) & 31)) & 1);
    a ^= matrix[at]! & mask;
    b ^= matrix[at + 1]! & mask;
    c ^= matrix[at + 2]! & mask;
    d ^= matrix[at + 3]! & mask;
  }
  return [a, b, c, d];
}

function powerOf(exponent: number): Uint32Array {
  for (let known = powers.length; known <= exponent; known++) {
    const half = powers[known - 1];
    powers.push(matrixOf(half ? (state) => advance(half, advance(half, state)) : step));
  }
  return powers[exponent]!;
}

function matrixOf(move: (state: State) => State): Uint32Array {
  const matrix = new Uint32Array(4 * bits);
  for (let bit = 0; bit < bits; bit++) {
    const state = [0, 0, 0, 0] as [number, number, number, number];
    state[bit >> 5] = 1 << (bit & 31);
    matrix.set(move(state), 4 * bit);
  }
  return matrix;
}

function step([a, b, c, d]: State): State {
  const [y, z] = [c ^ a, d ^ b];
  return [a ^ z, b ^ y, y ^ (b << 9), (z << 11) | (z >>> 21)];
}
