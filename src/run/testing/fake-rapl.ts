import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A powercap tree in which a package of `watts` and its DRAM of a quarter of it count on, as long as it runs. */
export class FakeRapl {
  readonly #files: { file: number; watts: number }[];
  readonly #originNs = process.hrtime.bigint();
  readonly #timer: NodeJS.Timeout;
  readonly root: string;
  readonly watts: number;
  #jumpUj = 0;

  constructor(root: string, watts: number) {
    this.root = root;
    this.watts = watts;
    const zone = join(root, 'class/powercap/intel-rapl:0');
    const dram = join(zone, 'intel-rapl:0:0');
    this.#files = [
      { file: openZone(zone, 'package-0'), watts },
      { file: openZone(dram, 'dram'), watts: watts / 4 },
    ];
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), 2);
  }

  /** Sets the counters back or forth, as a reset does. */
  jump(joules: number): void {
    this.#jumpUj += joules * 1e6;
  }

  /** Answers garbage from now on. */
  break(): void {
    clearInterval(this.#timer);
    for (const { file } of this.#files) writeSync(file, '?'.repeat(digits), 0);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const { file } of this.#files) closeSync(file);
  }

  #tick(): void {
    const microseconds = Number(process.hrtime.bigint() - this.#originNs) / 1e3;
    for (const { file, watts } of this.#files) {
      const raw = Math.round(5e9 + this.#jumpUj + watts * microseconds);
      // In one write and always as long: whoever reads meanwhile sees the number before or after.
      writeSync(file, String(raw).padStart(digits, '0'), 0);
    }
  }
}

const digits = 12;

function openZone(path: string, name: string): number {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'name'), `${name}\n`);
  writeFileSync(join(path, 'max_energy_range_uj'), '262143328850\n');
  writeFileSync(join(path, 'energy_uj'), '0'.repeat(digits));
  return openSync(join(path, 'energy_uj'), 'r+');
}
