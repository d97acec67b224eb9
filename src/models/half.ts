const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The IEEE 754 half-precision bits nearest to a number (ties to even). */
export function halfBits(value: number): number {
  float[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const exponent = ((word >>> 23) & 0xff) - 112;
  if (exponent >= 31) return sign | 0x7c00;
  const mantissa = (word & 0x7fffff) | 0x800000;
  if (exponent <= 0) {
    if (exponent < -10) return sign;
    return sign | roundShift(mantissa, 14 - exponent);
  }
  // The mantissa's leading one adds 1 to the exponent, and so does a carry out of rounding.
  return sign + ((exponent - 1) << 10) + roundShift(mantissa, 13);
}

function roundShift(mantissa: number, shift: number): number {
  const half = 1 << (shift - 1);
  const odd = (mantissa >>> shift) & 1;
  return (mantissa + half - 1 + odd) >>> shift;
}

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
