/** P(T > t) for Student's t with `df` degrees of freedom (real, above 0). Exact to about 1e-12. */
export function studentTUpperTail(t: number, df: number): number {
  if (!(df > 0)) throw new RangeError(`${df} degrees of freedom are not above 0`);
  if (t < 0) return 1 - studentTUpperTail(-t, df);
  if (t === Number.POSITIVE_INFINITY) return 0;
  return regularizedBeta(df / (df + t * t), df / 2, 0.5) / 2;
}

/** The t that a Student's t variable exceeds with probability `tail` (0 < tail < 0.5). */
export function studentTCritical(tail: number, df: number): number {
  if (!(tail > 0 && tail < 0.5)) throw new RangeError(`a tail of ${tail} is outside 0 to 0.5`);
  let low = 0;
  let high = 1;
  while (studentTUpperTail(high, df) > tail) high *= 2;
  // Bisection down to neighbouring doubles: the tail falls strictly, and speed does not matter here.
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (studentTUpperTail(middle, df) > tail) low = middle;
    else high = middle;
  }
}

/**
 * The regularized incomplete beta function I_x(a, b), by the continued fraction DLMF 8.17.22 evaluated
 * with Lentz's method; beyond (a+1)/(a+b+2), where it converges slowly, by I_x(a,b) = 1 − I_{1−x}(b,a).
 */
function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const logFront = a * Math.log(x) + b * Math.log1p(-x) - Math.log(a) - logBeta(a, b);
  return Math.exp(logFront) * betaFraction(x, a, b);
}

function betaFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 10_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d);
    c = nonZero(1 + even / c);
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d);
    c = nonZero(1 + odd / c);
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) return fraction;
  }
  throw new RangeError(`the incomplete beta function does not converge for x=${x}, a=${a}, b=${b}`);
}

/** Lentz's method divides by its partial sums, one of which may pass through 0. */
function nonZero(value: number): number {
  return Math.abs(value) < 1e-300 ? 1e-300 : value;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** ln Γ(x) for x > 0: shifted above 15 by Γ(x) = Γ(x+1)/x, then Stirling's series (DLMF 5.11.1). */
function logGamma(x: number): number {
  let shifted = x;
  let product = 1;
  while (shifted < 15) product *= shifted++;
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series =
    inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
  return (
    (shifted - 0.5) * Math.log(shifted) - shifted + Math.log(2 * Math.PI) / 2 + series - Math.log(product)
  );
}
