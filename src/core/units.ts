/**
 * Units as types. A plain number flows into a unit, but one unit never flows into another: passing
 * bytes where nanoseconds are wanted does not compile. Base units inside; converted only for display.
 */
declare const unit: unique symbol;
type Quantity<Name extends string> = number & { readonly [unit]?: Name };

/** Integer nanoseconds on the monotonic clock. */
export type Nanoseconds = Quantity<'ns'>;
export type Bytes = Quantity<'B'>;
/** Byte-seconds: memory held, integrated over time. */
export type ByteSeconds = Quantity<'B·s'>;
/** Floating-point operations; one multiply-add is two. */
export type Flop = Quantity<'FLOP'>;

/** A unit that a base quantity is shown in: shown = base ÷ `per`. */
export interface DisplayUnit {
  readonly name: string;
  readonly per: number;
}

export const nanosecondUnits: readonly DisplayUnit[] = [
  { name: 'ns', per: 1 },
  { name: 'µs', per: 1e3 },
  { name: 'ms', per: 1e6 },
  { name: 's', per: 1e9 },
];

export const byteUnits: readonly DisplayUnit[] = [
  { name: 'B', per: 1 },
  { name: 'KiB', per: 2 ** 10 },
  { name: 'MiB', per: 2 ** 20 },
  { name: 'GiB', per: 2 ** 30 },
];

/** In steps of 1,000, as the ticks of a logarithmic axis are powers of ten. */
const decimalUnits = (unit: string): readonly DisplayUnit[] => [
  { name: unit, per: 1 },
  { name: `k${unit}`, per: 1e3 },
  { name: `M${unit}`, per: 1e6 },
  { name: `G${unit}`, per: 1e9 },
  { name: `T${unit}`, per: 1e12 },
];

export const byteSecondUnits: readonly DisplayUnit[] = decimalUnits('B·s');

export const flopUnits: readonly DisplayUnit[] = [
  { name: 'FLOP', per: 1 },
  { name: 'MFLOP', per: 1e6 },
  { name: 'GFLOP', per: 1e9 },
  { name: 'TFLOP', per: 1e12 },
];

export const jouleUnits: readonly DisplayUnit[] = [
  { name: 'µJ', per: 1e-6 },
  { name: 'mJ', per: 1e-3 },
  { name: 'J', per: 1 },
  { name: 'kJ', per: 1e3 },
];

/** Units of quantities by their base unit, for the page: decimal, as the ticks of its axes are. */
export const decimalScales: Readonly<Record<string, readonly DisplayUnit[]>> = {
  ns: nanosecondUnits,
  FLOP: flopUnits,
  'FLOP/s': decimalUnits('FLOP/s'),
  B: decimalUnits('B'),
  'B/s': decimalUnits('B/s'),
  B·s: byteSecondUnits,
  J: [{ name: 'mJ', per: 1e-3 }, ...decimalUnits('J')],
  W: [{ name: 'mW', per: 1e-3 }, ...decimalUnits('W')],
  Hz: decimalUnits('Hz'),
};
