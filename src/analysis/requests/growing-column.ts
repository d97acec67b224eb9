type TypedArray = Float64Array | Uint32Array | Uint16Array | Uint8Array;

/** A typed array of a length not known beforehand, 0 wherever nothing was set. */
export class GrowingColumn<Values extends TypedArray> {
  readonly #make: new (
    size: number,
  ) => Values;
  #values: Values;

  constructor(make: new (size: number) => Values) {
    this.#make = make;
    this.#values = new make(64);
  }

  set(at: number, value: number): void {
    if (at >= this.#values.length) this.#grow(at + 1);
    this.#values[at] = value;
  }

  /** The first `size` values. Memory behind them that nothing was written to takes no room. */
  values(size: number): Values {
    if (size > this.#values.length) this.#grow(size);
    return this.#values.subarray(0, size) as Values;
  }

  #grow(size: number): void {
    const before = this.#values;
    this.#values = new this.#make(Math.max(size, 2 * before.length));
    this.#values.set(before);
  }
}
