/** Every fp16 bit pattern's value: Node 20 has no Float16Array, and a table is the fastest way without. */
let table: Float32Array | undefined;

function halfValues(): Float32Array {
  if (table) return table;
  table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    table[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  return table;
}

/** Widens IEEE 754 binary16 bit patterns into `target`, from its start. Exact. */
export function widenHalf(source: Uint16Array, target: Float32Array): void {
  const values = halfValues();
  for (let i = 0; i < source.length; i++) target[i] = values[source[i]!]!;
}
