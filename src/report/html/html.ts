/**
 * report/html/ draws a result as one self-contained page. Markup is built with the `html` tag, which escapes
 * whatever is put into it; a result is untrusted input, and there is no other way for its text to get in.
 */

/** Markup in which everything was escaped or written by this program. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

/** Values that may stand in a template; absent parts leave nothing. */
export type Part = Html | string | number | null | undefined | false | readonly Part[];

/** Markup with every interpolated text escaped, for content and for attributes in quotes. */
export function html(template: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(template.reduce((markup, text, index) => `${markup}${rendered(parts[index - 1])}${text}`));
}

function rendered(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.markup;
  if (typeof part === 'object') return part.map(rendered).join('');
  return escapeHtml(String(part));
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => entities[sign]!);
}

/** JSON that neither ends a script element nor a line of script, whatever strings it holds. */
export function inlineJson(value: unknown): Html {
  return new Html(
    JSON.stringify(value).replace(
      /[<>&\u2028\u2029]/g,
      (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
}
