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
