/** An XML element with text or children; attributes and child elements keep their order. */
export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const token =
  /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<!DOCTYPE[^>[]*>|<\/?([A-Za-z_][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+/gy;

/**
 * The root element of the plain XML that tools print: elements, attributes, text, the five named and the
 * numeric entities. Throws `SyntaxError` on anything else, on trailing content and on a document that
 * ends early.
 */
export function parseXml(source: string): XmlElement {
  const root: XmlElement = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  const text = source.replace(/^\uFEFF/, '').trim();
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const match = token.exec(text);
    if (!match) throw new SyntaxError(`XML cannot be read from: ${text.slice(at, at + 40)}`);
    const [whole, name, attributes = '', selfClosing] = match;
    const parent = open.at(-1)!;
    if (name === undefined) {
      if (!whole.startsWith('<')) parent.text += decode(whole);
    } else if (whole.startsWith('</')) {
      if (parent === root || parent.name !== name) throw new SyntaxError(`XML closes <${name}> unopened`);
      open.pop();
      parent.text = parent.text.trim();
    } else {
      const element: XmlElement = { name, attributes: attributesOf(attributes), children: [], text: '' };
      parent.children.push(element);
      if (!selfClosing) open.push(element);
    }
  }
  if (open.length > 1) throw new SyntaxError(`XML ends inside <${open.at(-1)!.name}>`);
  const [first, ...others] = root.children;
  if (!first || others.length > 0 || root.text.trim() !== '') throw new SyntaxError('not one XML document');
  return first;
}

/** The first element reached by child names from `element`. */
export function find(element: XmlElement, ...path: string[]): XmlElement | null {
  let current: XmlElement | undefined = element;
  for (const name of path) current = current?.children.find((child) => child.name === name);
  return current ?? null;
}

function attributesOf(source: string): Record<string, string> {
  const pairs = source.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g);
  return Object.fromEntries([...pairs].map(([, key, double, single]) => [key!, decode(double ?? single!)]));
}

function decode(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-fA-F]+)|(\w+));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) {
      if (!(name in entities)) throw new SyntaxError(`XML has an unknown entity ${whole}`);
      return entities[name]!;
    }
    return String.fromCodePoint(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal));
  });
}
