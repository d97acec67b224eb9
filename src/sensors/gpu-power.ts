import { milliseconds } from './sensor.js';

/** Limits of the power reading of a single GPU, however it is read. */
export const gpuWatts = {
  /** More than this is garbage; the hungriest accelerators draw well below half of it. */
  most: 5000,
  /** NVIDIA averages the gauge over 1 s on most GPUs from Ampere on, and over less on others. */
  averagedOverNs: milliseconds(1000),
} as const;

/**
 * NVIDIA's utilisation is the share of its last sampling period in which a kernel ran; the period is
 * between 1/6 s and 1 s, depending on the product (nvml.h, nvmlUtilization_t).
 */
export const nvidiaUtilisationOverNs = milliseconds(1000);
