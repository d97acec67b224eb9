import { expect, it } from 'vitest';
import { gpuInventory } from './gpu-inventory.js';

const onBoard = { model: 'ASPEED', vendor: 'ASPEED Technology', vram: 16 };
const onTheBus = { model: 'GA100', vendor: 'NVIDIA Corporation', vram: null };
const a100 = {
  ...{
    busId: '0:1',
    name: 'NVIDIA A100',
    uuid: 'GPU-1',
    architecture: 'Ampere',
    memoryTotalBytes: 80 * 2 ** 30,
  },
  ...{ powerLimitW: 500, readsPower: true, processes: null },
  mig: [{ index: 0, gpuInstance: 3, computeInstance: 0, memoryTotalBytes: 2 ** 34 }],
};

it('describes an NVIDIA GPU by its driver, and others by the bus', () => {
  const driver = { driverVersion: '550.54.15', cudaVersion: '12.4', gpus: [a100], notes: [] };
  expect(gpuInventory([onBoard, onTheBus], driver)).toMatchObject([
    { model: 'NVIDIA A100', memoryBytes: 80 * 2 ** 30, driver: '550.54.15', cuda: '12.4', migDevices: 1 },
    { model: 'ASPEED', memoryBytes: 16 * 2 ** 20 },
  ]);
});

it('takes what the bus shows where no driver answers', () => {
  expect(gpuInventory([onBoard, onTheBus], null)).toMatchObject([
    { model: 'ASPEED' },
    { model: 'GA100', memoryBytes: null },
  ]);
});
