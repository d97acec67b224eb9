// Fails where a result was not measured on the GPU it claims, or lacks a type of stage that a result of the CPU has:
// node scripts/check-gpu-result.js FILE DEVICE [RESULT_OF_CPU]
import { readFileSync } from 'node:fs';

const [file, device, ofCpu] = process.argv.slice(2);
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const { cells, models, requests, run, warnings } = read(file);
const faults = [];
const expect = (holds, fault) => holds || faults.push(fault);

expect(run.complete, 'the run is not complete');
expect(requests.length > 0, 'there is no request');
for (const { id, outcome } of requests)
  expect(outcome.status === 'ok', `request ${id} failed: ${JSON.stringify(outcome)}`);
expect(models.length > 0, 'there is no model');
for (const { id, engine, placement, offloadedLayers: layers, deviceParity } of models) {
  expect(engine.device === device, `${id} ran on ${engine.device}`);
  // llama.cpp counts layers, ONNX Runtime nodes; and another arithmetic leaves its trace.
  expect(placement?.device > 0 || (layers && layers.device === layers.all), `${id} did not run on the GPU`);
  expect(
    layers === undefined || deviceParity?.at(-1)?.difference > 0,
    `${id}: its logits are the CPU's to the bit`,
  );
  expect(deviceParity?.at(-1)?.passed === true, `${id} was not found to agree with the CPU`);
}
for (const { code, message } of warnings)
  expect(code !== 'cpu-fallback' && code !== 'ledger-mismatch', message);
const typesIn = (rows) => new Set(rows.flatMap(({ stages = [] }) => stages.map(({ type }) => type)));
const found = typesIn(requests);
for (const type of ofCpu ? typesIn(read(ofCpu).requests) : [])
  expect(found.has(type), `no stage is of type ${type}`);
for (const state of ['warm', 'partial', 'cold', 'evicted']) {
  const ids = cells.filter(({ factors }) => factors['prefill.cache'] === state).map(({ id }) => id);
  for (const { id, cell, tokens } of requests.filter((request) => ids.includes(request.cell)))
    expect(
      tokens.cached > 0 === (state === 'warm' || state === 'partial'),
      `request ${id} of ${cell} found ${tokens.cached} cached tokens`,
    );
}

if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exit(1);
}
for (const { id, graphVariant, engine, placement, offloadedLayers: layers, deviceParity } of models) {
  const graphVariants = deviceParity.map(
    (parity) => `${parity.graphVariant} ${parity.passed ? 'agrees' : 'differs'}`,
  );
  console.log(
    `${id}: ${requests.length} requests on ${engine.adapter.name}, ${graphVariant} graph (${graphVariants.join(', ')}), ` +
      (layers
        ? `${layers.device} of ${layers.all} layers on the GPU`
        : `${placement.device} nodes on the GPU and ${placement.cpu} on the CPU`),
  );
}
