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
