/** Items at even steps, the first and the last among them; all where they are few enough. */
export function evenly<Item>(items: readonly Item[], most: number): Item[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, k) => items[Math.round((k * (items.length - 1)) / (most - 1))]!);
}

/** Rounds a number to the four digits that a drawing needs. */
export function short(value: number): number {
  return Number(value.toPrecision(4));
}
