/** Views on the last position of each batch row of row-major [batch, positions, vocabulary] logits. */
export function lastPositions<Row extends Float32Array | Uint16Array>(
  logits: Row,
  batch: number,
  vocabulary: number,
): Row[] {
  const rowLength = logits.length / batch;
  return Array.from(
    { length: batch },
    (_, row) => logits.subarray((row + 1) * rowLength - vocabulary, (row + 1) * rowLength) as Row,
  );
}
