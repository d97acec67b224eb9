/**
 * The exact Shapley values of a game of `players` (at most 16): each player's gain in `worth`, averaged
 * over every order of joining (Shapley 1953; for R², Lindeman, Merenda & Gold 1980). A coalition is a bit
 * mask. The values add up to worth(all) − worth(none).
 */
export function shapleyValues(players: number, worth: (coalition: number) => number): number[] {
  if (players > 16) throw new RangeError(`${players} players have too many coalitions; 16 at most`);
  const all = 2 ** players;
  const worths = Float64Array.from({ length: all }, (_, coalition) => worth(coalition));
  // |S|! (n − |S| − 1)! / n! = 1 / (n · C(n−1, |S|)).
  const weights: number[] = [];
  let choose = 1;
  for (let size = 0; size < players; size++) {
    weights.push(1 / (players * choose));
    choose = (choose * (players - 1 - size)) / (size + 1);
  }
  const values = new Array<number>(players).fill(0);
  for (let coalition = 0; coalition < all; coalition++) {
    const weight = weights[bitCount(coalition)]!;
    for (let player = 0; player < players; player++) {
      if (coalition & (1 << player)) continue;
      values[player]! += weight * (worths[coalition | (1 << player)]! - worths[coalition]!);
    }
  }
  return values;
}

function bitCount(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}
