/** Digamma ψ(x) for x > 0: shifted above 10 by ψ(x) = ψ(x+1) − 1/x, then the asymptotic series (DLMF 5.11.2). */
export function digamma(x: number): number {
  let shifted = x;
  let sum = 0;
  for (; shifted < 10; shifted++) sum -= 1 / shifted;
  const square = 1 / (shifted * shifted);
  const series =
    square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))));
  return sum + Math.log(shifted) - 1 / (2 * shifted) - series;
}

/** Trigamma ψ′(x) for x > 0, likewise (DLMF 5.15.8). */
export function trigamma(x: number): number {
  let shifted = x;
  let sum = 0;
  for (; shifted < 10; shifted++) sum += 1 / (shifted * shifted);
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series =
    inverse *
    (1 +
      inverse / 2 +
      square * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square * (1 / 30 - (5 * square) / 66)))));
  return sum + series;
}
