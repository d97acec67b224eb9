import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { html, inlineJson } from './html.js';

describe('html', () => {
  it('escapes text and attributes, and keeps markup that was escaped before', () => {
    const inner = html`<b title="${'"<'}">${"a & 'b'"}</b>`;
    expect(html`<p>${inner}${[1, null, false, undefined, '>']}</p>`.markup).toBe(
      '<p><b title="&quot;&lt;">a &amp; &#39;b&#39;</b>1&gt;</p>',
    );
  });

  it('leaves no sign of markup in any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(html`${text}`.markup).not.toMatch(/[<>"']/);
      }),
    );
  });
});

describe('inlineJson', () => {
  it('reads back as what went in, without a sign that could end a script or a line of one', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom('</script>', '<!--', '\u2028', '\u2029', '&'),
        (value, sign) => {
          const { markup } = inlineJson([value, sign]);
          expect(markup).not.toMatch(/[<>&\u2028\u2029]/);
          expect(JSON.parse(markup)).toEqual(JSON.parse(JSON.stringify([value, sign])));
        },
      ),
    );
  });
});
