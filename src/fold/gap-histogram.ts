import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js';

/** Gaps beyond it are recorded as it. */
const hourNs = 3.6e12;

/**
 * Encodes the gaps between a request's tokens, in ns, as an HdrHistogram in compressed base64; null without gaps. One
 * histogram serves all requests, as it is half a megabyte; auto-resizing would make equal gaps encode unequally.
 */
export function gapEncoder(): (gapsNs: readonly number[]) => string | null {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: hourNs,
    numberOfSignificantValueDigits: 3,
  });
  return (gapsNs) => {
    if (gapsNs.length === 0) return null;
    histogram.reset();
    for (const gapNs of gapsNs) histogram.recordValue(Math.min(gapNs, hourNs));
    return encodeIntoCompressedBase64(histogram);
  };
}
