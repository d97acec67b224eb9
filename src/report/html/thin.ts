/** Items at even steps, the first and the last among them; all where they are few enough. */
export function evenly<Item>(items: readonly Item[], most: number): Item[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, k) => items[Math.round((k * (items.length - 1)) / (most - 1))]!);
}

/** What is left of a number where a drawing needs no more than four digits. */
export function short(value: number): number {
  return Number(value.toPrecision(4));
}
