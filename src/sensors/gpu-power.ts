import { milliseconds } from './sensor.js';

/** What holds for the power reading of a single GPU, however it is read. */
export const gpuWatts = {
  /** More than this is garbage; the hungriest accelerators draw well below half of it. */
  most: 5000,
  /** NVIDIA averages the gauge over 1 s on most GPUs from Ampere on, and over less on others. */
  averagedOverNs: milliseconds(1000),
} as const;
